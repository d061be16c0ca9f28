// Computes beside the page, so that the page stays responsive. Messages in: {job, strength, image}; no
// image is the last one again. Messages out: {job, name, value} for the handlers in page.js.

import { Networks } from "./networks.js"
import { leftOut, words } from "./words.js"

const asked = new URLSearchParams(location.search).get("device") // webgpu or wasm, of the page's address
const RUNTIME = "./node_modules/onnxruntime-web/dist/ort.webgpu.min.mjs"
const MISSING = `onnxruntime-web is not beside this page. In the page's folder run
npm install onnxruntime-web@1.30.0
and load the page again.`

let [image, idr] = [null, null]
let newest = 0 // job; older ones stop at their next tile
const ready = start()
let working = ready.catch(fail) // one after another: a session runs one thing at a time

onmessage = ({ data }) => {
  newest = data.job
  working = working.then(() => work(data)).catch(fail)
}

function say(name, value, transferred = []) {
  postMessage({ job: newest, name, value }, transferred)
}

function fail(error) {
  say("failed", error.message)
}

async function start() {
  const ort = await import(RUNTIME).catch(() => { throw new Error(MISSING) })
  const providers = asked ? [asked] : (await hasGraphicsCard()) ? ["webgpu", "wasm"] : ["wasm"]
  const networks = await Networks.open(ort, providers)
  const { scale, clean_idr, strengths } = networks.facts.network
  const where = networks.provider === "webgpu" ? "graphics card (WebGPU)" : "processor (WASM)"
  say("ready", { where, scale, strengths: clean_idr && strengths })
  return networks
}

/** Whether there is WebGPU that is not itself computed on the processor, which is slower than WASM. */
async function hasGraphicsCard() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null)
  return Boolean(adapter && !adapter.info?.isFallbackAdapter)
}

async function work(message) {
  const networks = await ready
  const outdated = async () => {
    await new Promise((resume) => setTimeout(resume)) // lets newer messages in
    return message.job !== newest
  }
  if (message.image) [image, idr] = [message.image, null]
  if (await outdated()) return
  if (!idr) {
    const found = await networks.estimate(image, outdated)
    if (!found) return
    idr = found.idr
    const says = found.readings && `The estimate says: ${words(found.readings, networks.facts.estimator)}.`
    say("read", [says, leftOut(found.leftOut)].filter(Boolean).join(" "))
  }
  for await (const tile of networks.upscale(image, networks.withStrength(idr, message.strength))) {
    if (await outdated()) return
    say("tile", tile, [tile.pixels.buffer])
  }
  say("done")
}
