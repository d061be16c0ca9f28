// What an IDR says, as kdsr/meaning/readings.py says it, by the rules that came with the model.

/** "blur 2.1 px ± 0.4, noise 6/255 ± 2, JPEG 45 ± 5; inside the trained range" */
export function words(readings, facts) {
  const rules = facts.rules
  const read = Object.fromEntries(facts.readings.map((name, i) => [name, readings[i]]))
  if (read.structure < rules.least_structure) return "nothing can be told: the image is too small or too flat"
  const told = Object.fromEntries(
    facts.reliable_errors.map((largest, i) => {
      const name = facts.readings[i]
      const [value, error] = [read[name], read[`${name}_error`]]
      return [name, error <= largest ? { value, error, digits: rules.digits[name] } : null]
    }),
  )
  const parts = [
    blur(told.blur_long, told.blur_short, rules),
    noise(told.noise, rules),
    facts.tells_jpeg ? jpeg(read.compressed, told.quality, rules) : "",
  ]
  const range = read.excess <= 1 ? "inside the trained range" : "outside of the trained range"
  return `${parts.filter(Boolean).join(", ") || "nothing that can be told reliably"}; ${range}`
}

/** What of a picture did not count, as kdsr/estimation/__init__.py says it; empty where all did. */
export function leftOut(share) {
  if (share > 0.995) return "The picture looks like dither or hatching all over and is taken for clean."
  if (share < 0.005) return ""
  return `${(100 * share).toFixed(0)}% of the picture looks like dither or hatching and was left out.`
}

function blur(long, short, rules) {
  if (!long) return ""
  if (long.value < rules.least.blur_long) return little("blur", long, rules.least.blur_long, " px")
  if (!short || long.value <= rules.isotropic * short.value) {
    const value = short ? (long.value + short.value) / 2 : long.value
    return `blur ${value.toFixed(long.digits)} px ${margin(long)}`
  }
  return `blur ${number(long)} x ${number(short)} px ${margin(short.error > long.error ? short : long)}`
}

function noise(told, rules) {
  if (!told) return ""
  if (told.value < rules.least.noise) return little("noise", told, rules.least.noise, "/255")
  return `noise ${number(told)}/255 ${margin(told)}`
}

function jpeg(compressed, quality, rules) {
  if (compressed < 1 - rules.jpeg_sure) return "no JPEG"
  const name = compressed > rules.jpeg_sure ? "JPEG" : "perhaps JPEG"
  return quality && compressed >= 0.5 ? `${name} ${number(quality)} ${margin(quality)}` : name
}

/** None, if that is sure; else how much it may be. */
function little(name, { value, error, digits }, least, unit) {
  const most = value + error
  return most < 2 * least ? `no ${name}` : `${name} below ${most.toFixed(digits)}${unit}`
}

function number({ value, digits }) {
  return value.toFixed(digits)
}

/** The error, rounded up. */
function margin({ error, digits }) {
  const unit = 10 ** -digits
  return `± ${(Math.max(1, Math.ceil(error / unit - 1e-6)) * unit).toFixed(digits)}`
}
