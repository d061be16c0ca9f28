// What an IDR says, in the words of kdsr/meaning/readings.py.

const ISOTROPIC = 1.3 // axes that differ by less than this are one number
const LEAST_BLUR = 0.35 // px
const LEAST_NOISE = 1 // 0-255

/** "blur 2.1 px ± 0.4, noise 6/255 ± 2, JPEG 45 ± 5; inside the trained range" */
export function words(readings, facts) {
  const read = Object.fromEntries(facts.readings.map((name, i) => [name, readings[i]]))
  if (read.structure < facts.least_structure) return "nothing can be told: the image is too small or too flat"
  const told = Object.fromEntries(
    facts.reliable_errors.map((largest, i) => {
      const name = facts.readings[i]
      const [value, error] = [read[name], read[`${name}_error`]]
      return [name, error <= largest ? { value, error } : null]
    }),
  )
  const parts = [
    blur(told.blur_long, told.blur_short),
    noise(told.noise),
    facts.tells_jpeg ? jpeg(read.compressed, told.quality) : "",
  ]
  const range = read.excess <= 1 ? "inside the trained range" : "outside of the trained range"
  return `${parts.filter(Boolean).join(", ") || "nothing that can be told reliably"}; ${range}`
}

function blur(long, short) {
  if (!long) return ""
  if (long.value < LEAST_BLUR) return little("blur", long, LEAST_BLUR, 1, " px")
  if (!short || long.value <= ISOTROPIC * short.value) {
    const value = short ? (long.value + short.value) / 2 : long.value
    return `blur ${value.toFixed(1)} px ${margin(long.error, 1)}`
  }
  const error = Math.max(long.error, short.error)
  return `blur ${long.value.toFixed(1)} x ${short.value.toFixed(1)} px ${margin(error, 1)}`
}

function noise(told) {
  if (!told) return ""
  if (told.value < LEAST_NOISE) return little("noise", told, LEAST_NOISE, 0, "/255")
  return `noise ${told.value.toFixed(0)}/255 ${margin(told.error, 0)}`
}

function jpeg(compressed, quality) {
  if (compressed < 0.5) return "no JPEG"
  return quality ? `JPEG ${quality.value.toFixed(0)} ${margin(quality.error, 0)}` : "JPEG"
}

/** None, if that is sure; else how much it may be. */
function little(name, { value, error }, least, digits, unit) {
  const most = value + error
  return most < 2 * least ? `no ${name}` : `${name} below ${most.toFixed(digits)}${unit}`
}

/** An error, rounded up. */
function margin(error, digits) {
  const unit = 10 ** -digits
  return `± ${(Math.max(1, Math.ceil(error / unit - 1e-6)) * unit).toFixed(digits)}`
}
