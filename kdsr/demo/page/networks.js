// The two networks: picture -> IDR, and picture and IDR -> tiles of the upscaled picture.

import { pixelsOf, planTiles, planesOf, seenTiles, weightsOf } from "./tiles.js"

const TILES = { webgpu: 512, wasm: 192 } // LQ pixels: large ones waste less, small ones come sooner

export class Networks {
  /** Opens model.*.onnx on the first of some providers (webgpu, wasm) that can run them. */
  static async open(ort, providers) {
    const facts = await (await fetch("model.json")).json()
    for (const provider of providers.slice(0, -1)) {
      try {
        return await new Networks(ort, facts, provider).start()
      } catch (error) {
        console.warn(`${provider} does not run the networks:`, error)
      }
    }
    return new Networks(ort, facts, providers.at(-1)).start()
  }

  constructor(ort, facts, provider) {
    this.ort = ort
    this.facts = facts
    this.provider = provider
    this.tile = TILES[provider]
  }

  async start() {
    const options = { executionProviders: [this.provider] }
    for (const part of ["estimator", "network"])
      this[part] = await this.ort.InferenceSession.create(this.facts[part].file, options)
    // Some drivers fail only when something is computed.
    const grey = { width: 16, height: 16, data: new Uint8ClampedArray(4 * 16 * 16).fill(128) }
    for await (const _ of this.upscale(grey, (await this.estimate(grey)).idr));
    return this
  }

  /**
   * The IDR of a picture, what it says, and the share of the picture that did not count.
   * @param image RGBA bytes: width, height and data
   * @param stopped asked after each part; null is returned if it says so
   */
  async estimate(image, stopped = async () => false) {
    const { seen_size } = this.facts.estimator
    let found = { seen: this.tensor(new Float32Array(seen_size), 1, seen_size) }
    for (const tile of seenTiles(image.height, image.width, this.facts.estimator)) {
      const { height, width } = tile.window
      const lq = this.tensor(planesOf(image, tile.window), 1, 3, height, width)
      const weights = this.tensor(weightsOf(tile), 1, 1, height, width)
      found = await this.estimator.run({ lq, weights, before: found.seen })
      if (await stopped()) return null
    }
    const [counted, pixels] = found.seen.data.slice(-3)
    return { idr: found.idr.data, readings: found.readings?.data, leftOut: 1 - counted / pixels }
  }

  /** Yields tiles of the upscaled picture: x, y, width, height, RGBA pixels, and the share done. */
  async *upscale(image, idr) {
    const { halo, scale } = this.facts.network
    const tiles = planTiles(image.height, image.width, this.tile, halo)
    for (const [done, tile] of tiles.entries()) {
      const { height, width } = tile.window
      const lq = this.tensor(planesOf(image, tile.window), 1, 3, height, width)
      const { sr } = await this.network.run({ lq, idr: this.tensor(idr, 1, idr.length) })
      yield {
        x: scale * tile.x,
        y: scale * tile.y,
        width: scale * tile.columns,
        height: scale * tile.rows,
        pixels: pixelsOf(sr.data, tile, scale),
        share: (done + 1) / tiles.length,
      }
    }
  }

  /** An IDR moved from that of a clean picture (0) to the estimate (1) and beyond. */
  withStrength(idr, strength) {
    const clean = this.facts.network.clean_idr
    return clean ? idr.map((value, i) => clean[i] + strength * (value - clean[i])) : idr
  }

  tensor(values, ...sides) {
    return new this.ort.Tensor("float32", values, sides)
  }
}
