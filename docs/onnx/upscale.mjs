// Upscales a picture (binary PPM) with two ONNX files, by onnxruntime-web:
//   npm install onnxruntime-web && node upscale.mjs x photo.ppm large.ppm [strength]
import { readFile, writeFile } from "node:fs/promises"
import * as ort from "onnxruntime-web"

const [name, source, target, strength = 1] = process.argv.slice(2)
const { estimator, network } = JSON.parse(await readFile(`${name}.json`, "utf8"))
const session = async (part) => ort.InferenceSession.create(await readFile(`${name}.${part}.onnx`))
const tensor = (values, ...sides) => new ort.Tensor("float32", values, sides)
const tile = 256 // LQ pixels without the overlap: any number gives the same picture

const bytes = await readFile(source)
const [, width, height] = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString("latin1")).map(Number)
const pixels = bytes.subarray(bytes.length - 3 * width * height)

/** Windows of the picture with where their own part, rows x columns, begins: in them, in the picture. */
function* tiles(halo) {
  for (let y = 0; y < height; y += tile) for (let x = 0; x < width; x += tile) {
    const [top, left] = [Math.max(0, y - halo), Math.max(0, x - halo)]
    const [rows, columns] = [Math.min(tile, height - y), Math.min(tile, width - x)]
    const [h, w] = [Math.min(height, y + rows + halo) - top, Math.min(width, x + columns + halo) - left]
    const planes = new Float32Array(3 * h * w)
    for (let c = 0; c < 3; c++) for (let i = 0; i < h; i++) for (let j = 0; j < w; j++)
      planes[(c * h + i) * w + j] = pixels[3 * ((top + i) * width + left + j) + c] / 255
    yield { lq: tensor(planes, 1, 3, h, w), h, w, rows, columns, top: y - top, left: x - left, y, x }
  }
}

const estimating = await session("estimator")
let idr, seen = tensor(new Float32Array(estimator.seen_size), 1, estimator.seen_size)
for (const { lq, h, w, rows, columns, top, left } of tiles(estimator.halo)) {
  const weights = new Float32Array(h * w)
  for (let i = top; i < top + rows; i++) weights.fill(1, i * w + left, i * w + left + columns)
  ;({ idr, seen } = await estimating.run({ lq, weights: tensor(weights, 1, 1, h, w), before: seen }))
}
const clean = network.clean_idr ?? idr.data
idr = tensor(idr.data.map((value, i) => clean[i] + strength * (value - clean[i])), 1, clean.length)

const upscaling = await session("network")
const s = network.scale
const result = new Uint8ClampedArray(3 * s * s * width * height) // rounds and clamps
for (const { lq, h, w, rows, columns, top, left, y, x } of tiles(network.halo)) {
  const { sr } = await upscaling.run({ lq, idr })
  for (let c = 0; c < 3; c++) for (let i = 0; i < s * rows; i++) for (let j = 0; j < s * columns; j++)
    result[3 * ((s * y + i) * s * width + s * x + j) + c] =
      255 * sr.data[(c * s * h + s * top + i) * s * w + s * left + j]
}
await writeFile(target, [`P6\n${s * width} ${s * height}\n255\n`, result])
