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

/** A window of the picture as planes. */
function cut(top, left, h, w) {
  const planes = new Float32Array(3 * h * w)
  for (let c = 0; c < 3; c++) for (let i = 0; i < h; i++) for (let j = 0; j < w; j++)
    planes[(c * h + i) * w + j] = pixels[3 * ((top + i) * width + left + j) + c] / 255
  return tensor(planes, 1, 3, h, w)
}

/** Windows of the picture with where their own part, rows x columns, begins: in them, in the picture. */
function* tiles(halo) {
  for (let y = 0; y < height; y += tile) for (let x = 0; x < width; x += tile) {
    const [top, left] = [Math.max(0, y - halo), Math.max(0, x - halo)]
    const [rows, columns] = [Math.min(tile, height - y), Math.min(tile, width - x)]
    const [h, w] = [Math.min(height, y + rows + halo) - top, Math.min(width, x + columns + halo) - left]
    yield { lq: cut(top, left, h, w), h, w, rows, columns, top: y - top, left: x - left, y, x }
  }
}

/** What the estimator looks at, and which of it counts: all, or of a large picture a few cells. */
function* seenWindows({ halo, cell, windows, budget }) {
  if (height * width <= budget) {
    yield { lq: cut(0, 0, height, width), weights: tensor(new Float32Array(height * width).fill(1), 1, 1, height, width) }
    return
  }
  const even = (value) => value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value)
  for (let i = 0; i < windows; i++) {
    const [[top, h, rows], [left, w, columns]] = [[height, (i * 0.6180339887498949 + 0.5) % 1], [width, (i + 0.5) / windows]]
      .map(([length, place]) => {
        const size = Math.min(length, cell + 2 * halo)
        return [even(place * (length - size)), size, Math.min(length, cell)]
      })
    const [first, inner] = [Math.floor((h - rows) / 2), Math.floor((w - columns) / 2)]
    const weights = new Float32Array(h * w)
    for (let y = first; y < first + rows; y++) weights.fill(1, y * w + inner, y * w + inner + columns)
    yield { lq: cut(top, left, h, w), weights: tensor(weights, 1, 1, h, w) }
  }
}

const estimating = await session("estimator")
let idr, seen = tensor(new Float32Array(estimator.seen_size), 1, estimator.seen_size)
for (const { lq, weights } of seenWindows(estimator))
  ({ idr, seen } = await estimating.run({ lq, weights, before: seen }))
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
