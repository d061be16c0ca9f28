// The page: takes a picture, shows what the worker finds, compares before and after.

const element = (id) => document.getElementById(id)
const [before, after] = [element("before"), element("after")]
const LARGEST_SIDE = 16384 // of a canvas, in the browsers that allow most
const LARGEST_AREA = 16384 * 16384
const SMALLEST_SIDE = 5 // of what the network takes

let scale = null // the network's factor, once it is loaded
let name = "picture"
let job = 0 // number of what the worker was asked for last
let started = 0

const worker = new Worker(`worker.js${location.search}`, { type: "module" })
worker.onmessage = ({ data }) => data.job === job && handlers[data.name](data.value)
worker.onerror = () => handlers.failed("This browser does not run module workers.")

const handlers = {
  ready(facts) {
    scale = facts.scale
    const strength = element("strength")
    strength.disabled = !facts.strengths
    if (facts.strengths) [strength.min, strength.max] = facts.strengths
    status(`Ready: x${scale}, on the ${facts.where}.`)
  },
  read(text) {
    element("reading").textContent = text
    status("Upscaling …")
  },
  tile({ x, y, width, height, pixels, share }) {
    after.getContext("2d").putImageData(new ImageData(pixels, width, height), x, y)
    element("progress").value = share
  },
  done() {
    status(`${before.width} x ${before.height} to ${after.width} x ${after.height} pixels in ` +
      `${((performance.now() - started) / 1000).toFixed(1)} s.`)
    element("progress").value = 1
    after.toBlob((blob) => {
      const save = element("save")
      URL.revokeObjectURL(save.href)
      save.href = URL.createObjectURL(blob)
      save.download = `${name}-kdsr.png`
      save.ariaDisabled = "false"
    })
  },
  failed(message) {
    status(message, true)
  },
}

function status(text, error = false) {
  element("status").textContent = text
  element("status").classList.toggle("error", error)
}

function work(message, transferred = []) {
  started = performance.now()
  element("progress").value = 0
  element("save").ariaDisabled = "true"
  const strength = Number(element("strength").value)
  worker.postMessage({ job: ++job, strength, ...message }, transferred)
}

async function open(file) {
  if (!file || scale === null) return
  const bitmap = await createImageBitmap(file).catch(() => null)
  if (!bitmap) return status(`${file.name} is not a picture that this browser can read.`, true)
  const { width, height } = bitmap
  const [longest, area] = [scale * Math.max(width, height), scale * scale * width * height]
  if (longest > LARGEST_SIDE || area > LARGEST_AREA)
    return status(`${file.name} has ${width} x ${height} pixels; a browser shows results of up to ` +
      `${LARGEST_SIDE} pixels a side, so it must have ${LARGEST_SIDE / scale} at most.`, true)
  if (Math.min(width, height) < SMALLEST_SIDE)
    return status(`${file.name} has ${width} x ${height} pixels; ${SMALLEST_SIDE} a side are needed.`, true)
  name = file.name.replace(/\.[^.]*$/, "")
  const image = show(bitmap)
  status("Estimating how it was degraded …")
  work({ image: { width, height, data: image.data } }, [image.data.buffer])
}

/** Draws a picture as before, and enlarged as after until the tiles come; returns its ImageData. */
function show(bitmap) {
  const { width, height } = bitmap
  Object.assign(before, { width, height })
  Object.assign(after, { width: scale * width, height: scale * height })
  const context = before.getContext("2d", { willReadFrequently: true })
  context.fillStyle = "white" // behind what is transparent
  context.fillRect(0, 0, width, height)
  context.drawImage(bitmap, 0, 0)
  after.getContext("2d").drawImage(before, 0, 0, after.width, after.height)
  element("compare").style.maxWidth = `${after.width}px`
  element("reading").textContent = ""
  element("result").hidden = false
  return context.getImageData(0, 0, width, height)
}

function split(percent) {
  before.style.clipPath = `inset(0 ${100 - percent}% 0 0)`
  element("line").style.left = `${percent}%`
}

element("split").oninput = ({ target }) => split(target.value)
element("file").onchange = ({ target }) => open(target.files[0])
element("strength").oninput = ({ target }) => {
  element("strength-value").textContent = Number(target.value).toFixed(2)
}
element("strength").onchange = () => {
  if (element("result").hidden) return
  status("Upscaling …")
  work({})
}
document.ondragover = (event) => {
  event.preventDefault()
  element("drop").classList.add("over")
}
document.ondragleave = () => element("drop").classList.remove("over")
document.ondrop = (event) => {
  event.preventDefault()
  element("drop").classList.remove("over")
  open(event.dataTransfer.files[0])
}
document.onpaste = (event) => open(event.clipboardData.files[0])
split(50)
