// The choices of KDSR's combos in the page's language. What is chosen and saved stays English, so that
// workflows can be shared. Pages older than ComfyUI 0.9 know no labels: they show the value. New nodes
// are as wide as their longest choice.

import { app } from "../../scripts/app.js"
import { words } from "./words.js"

/** Labels by value for a widget of a node, or undefined. */
function labelsOf(node, widget) {
  if (node.comfyClass === "KDSR_Load" && widget.name === "model")
    return words("nodeDefs", "KDSR_Upscale", "inputs", "purpose", "options")
  return words("nodeDefs", node.comfyClass, "inputs", widget.name, "options")
}

const pen = document.createElement("canvas").getContext("2d")
pen.font = "14px Inter, sans-serif"

/** The width in which a node shows every choice of a combo, on either canvas. */
function widthOf(widget, labels) {
  const text = Math.max(...Object.values(labels).map((label) => pen.measureText(label).width))
  // Vue nodes give a choice three fifths of a row, less an arrow; the classic canvas what its name leaves.
  if (window.LiteGraph?.vueNodesMode) return (text + 45) / 0.6 + 24
  return text + pen.measureText(widget.label ?? widget.name).width + 90
}

app.registerExtension({
  name: "kdsr.choices",

  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("KDSR_")) return
    for (const widget of node.widgets ?? []) {
      const labels = labelsOf(node, widget)
      if (!labels) continue
      widget.options.getOptionLabel = (value) => labels[value] ?? String(value)
      if (!widget.hidden) node.setSize([Math.max(node.size[0], widthOf(widget, labels)), node.size[1]])
    }
  },
})
