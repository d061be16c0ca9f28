// Where tiles lie, as kdsr/tiles/__init__.py plans them, and the pixels in and out of them.

/**
 * Divides one axis into tiles whose windows all have one size; all numbers are LQ pixels.
 * Windows at the picture's border are flush with it, so that the network's zero padding acts there.
 */
export function planAxis(length, tile, halo) {
  if (length <= tile + 2 * halo) return { size: length, spans: [{ start: 0, stop: length, window: 0 }] }
  const count = Math.ceil((length - 2 * halo) / tile)
  const step = Math.ceil((length - 2 * halo) / count)
  const size = step + 2 * halo
  const spans = []
  for (let i = 0; i < count; i++) {
    const start = i ? halo + i * step : 0
    const stop = i < count - 1 ? Math.min(length, halo + (i + 1) * step) : length
    if (start < stop) spans.push({ start, stop, window: Math.min(i * step, length - size) })
  }
  return { size, spans }
}

/** Every tile of a picture, row by row: its own part, its window, and where the one lies in the other. */
export function planTiles(height, width, tile, halo) {
  const [vertical, horizontal] = [planAxis(height, tile, halo), planAxis(width, tile, halo)]
  return vertical.spans.flatMap((row) =>
    horizontal.spans.map((column) => ({
      y: row.start,
      x: column.start,
      rows: row.stop - row.start,
      columns: column.stop - column.start,
      top: row.start - row.window,
      left: column.start - column.window,
      window: { y: row.window, x: column.window, height: vertical.size, width: horizontal.size },
    })),
  )
}

/**
 * What the estimator looks at, as kdsr/estimation/features.py chooses it: all of a picture, or of a large
 * one a few cells, always the same ones.
 */
export function seenTiles(height, width, { halo, cell, windows, budget }) {
  if (height * width <= budget) return planTiles(height, width, Math.max(height, width), halo)
  return Array.from({ length: windows }, (_, i) => {
    const row = sampledSpan(height, (i * 0.6180339887498949 + 0.5) % 1, cell, halo)
    const column = sampledSpan(width, (i + 0.5) / windows, cell, halo)
    return {
      y: row.window + row.inner,
      x: column.window + column.inner,
      rows: row.own,
      columns: column.own,
      top: row.inner,
      left: column.inner,
      window: { y: row.window, x: column.window, height: row.size, width: column.size },
      weight: (height * width) / (windows * row.own * column.own), // all stand for the whole picture
    }
  })
}

function sampledSpan(length, place, cell, halo) {
  const [size, own] = [Math.min(length, cell + 2 * halo), Math.min(length, cell)]
  return { size, own, window: rounded(place * (length - size)), inner: Math.floor((size - own) / 2) }
}

/** As Python rounds: halves to even numbers. */
function rounded(value) {
  return value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value)
}

/** A window of a picture of RGBA bytes as RGB planes in [0, 1]. */
export function planesOf(image, { y, x, height, width }) {
  const planes = new Float32Array(3 * height * width)
  for (let c = 0, at = 0; c < 3; c++)
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++, at++)
        planes[at] = image.data[4 * ((y + i) * image.width + x + j) + c] / 255
  return planes
}

/** A tile's weight, 1 unless it says so, for the pixels of a window that are its own, else 0. */
export function weightsOf({ rows, columns, top, left, window, weight = 1 }) {
  const weights = new Float32Array(window.height * window.width)
  for (let i = top; i < top + rows; i++) {
    const first = i * window.width + left
    weights.fill(weight, first, first + columns)
  }
  return weights
}

/** A tile's own part of the network's result, RGB planes around [0, 1], as RGBA bytes. */
export function pixelsOf(planes, { rows, columns, top, left, window }, scale) {
  const [height, width] = [scale * window.height, scale * window.width]
  const pixels = new Uint8ClampedArray(4 * scale * rows * scale * columns) // rounds and clamps
  for (let i = 0, at = 0; i < scale * rows; i++)
    for (let j = 0; j < scale * columns; j++, at += 4) {
      const first = (scale * top + i) * width + scale * left + j
      for (let c = 0; c < 3; c++) pixels[at + c] = 255 * planes[c * height * width + first]
      pixels[at + 3] = 255
    }
  return pixels
}
