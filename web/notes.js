// A note below the widgets: what a node did, or a warning while it runs. The server sends it with the
// node's result; the page's own line for such words empties itself when the run ends. Also takes away
// the preview of the progress bar once a node is done: it would go on covering other nodes.

import { api } from "../../scripts/api.js"
import { app } from "../../scripts/app.js"
import { after, find, locate, redraw, store } from "./shared.js"

const NOTE = "kdsr_note"
const PREVIEW = "$$canvas-image-preview" // the page's name of the widget that draws it
const LINE = 17
const MARGIN = 6
const STYLE = "font:12px/17px sans-serif; white-space:pre-wrap; overflow-wrap:anywhere; overflow:auto; opacity:.75; padding:0 4px; box-sizing:border-box; color:var(--input-text, #ddd)"

const pen = document.createElement("canvas").getContext("2d")
pen.font = "12px sans-serif"

/** Pixels that a note takes in a node of this width. */
function heightOf(node, text) {
  if (!text) return 0
  const width = Math.max(80, node.size[0] - 40)
  const lines = text.split("\n").map((line) => Math.ceil(pen.measureText(line).width / width) || 1)
  return LINE * Math.min(6, lines.reduce((sum, count) => sum + count, 0)) + 2 * MARGIN
}

function addNote(node) {
  const element = document.createElement("div")
  element.className = "kdsr-note"
  element.style.cssText = STYLE
  const height = () => heightOf(node, element.textContent)
  const widget = node.addDOMWidget(NOTE, NOTE, element, {
    getMinHeight: height,
    getMaxHeight: height,
    hideOnZoom: false,
    serialize: false,
    margin: MARGIN,
  })
  widget.serialize = false
  widget.element_ = element
  return widget
}

function show(node, text) {
  if (!node?.comfyClass?.startsWith("KDSR_") || (!text && !find(node, NOTE))) return
  dropPreview(node) // or its height would stay
  const before = (node.kdsr_height ?? node.size[1]) - node.computeSize()[1]
  const widget = find(node, NOTE) ?? addNote(node)
  widget.element_.textContent = text
  widget.element_.title = text
  redraw(node)
  node.setSize([node.size[0], node.computeSize()[1] + Math.max(0, before)])
  if (node.kdsr_height) node.kdsr_height = node.size[1]
}

/** Where Vue nodes have their previews from. */
const previews = () => store("nodeOutput")

/** Every page keeps the last preview, on either canvas, and the room that it took. */
function dropPreview(node) {
  if (!/^KDSR_(Tile)?Upscale/.test(node?.comfyClass)) return
  for (const id of [node.id, `${node.graph?.id}:${node.id}`]) {
    previews()?.revokePreviewsByLocatorId?.(String(id))
    delete app.nodePreviewImages?.[id]
  }
  const drawn = !!node.imgs
  if (drawn) {
    node.imgs = undefined
    node.images = undefined
    node.imageIndex = null
    node.widgets = node.widgets.filter(({ name }) => name !== PREVIEW)
  }
  const height = node.kdsr_height ?? (drawn ? node.computeSize()[1] : Infinity)
  if (node.size[1] > height) node.setSize([node.size[0], height])
  app.graph.setDirtyCanvas(true, true)
}

/** Now, and once what is still being loaded is there; after that a person may give it any height. */
function dropPreviewSoon(node) {
  for (const wait of [0, 300, 1500]) setTimeout(() => running !== node && dropPreview(node), wait)
  setTimeout(() => running !== node && delete node.kdsr_height, 1600)
}

let running

api.addEventListener(NOTE, ({ detail }) => show(locate(detail.node), detail.text))
api.addEventListener("executing", ({ detail }) => {
  const done = running
  running = detail == null ? undefined : locate(detail?.node ?? detail)
  if (done) dropPreviewSoon(done)
  if (!running) return
  dropPreview(running)
  running.kdsr_height = running.size[1] // without a preview
  show(running, "")
})

app.registerExtension({
  name: "kdsr.notes",

  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("KDSR_")) return
    after(node, "onExecuted", (output) => {
      // For each picture of a list there is one, mostly the same.
      if (output?.[NOTE]) show(node, [...new Set(output[NOTE])].join("\n"))
    })
  },
})
