// The choices of KDSR's combos in the page's language. What is chosen and saved stays English, so that
// workflows can be shared. Pages older than ComfyUI 0.9 know no labels: they show the value.

import { app } from "../../scripts/app.js"
import { words } from "./words.js"

/** Labels by value for a widget of a node, or undefined. */
function labelsOf(node, widget) {
  if (node.comfyClass === "KDSR_Load" && widget.name === "model")
    return words("nodeDefs", "KDSR_Upscale", "inputs", "purpose", "options")
  return words("nodeDefs", node.comfyClass, "inputs", widget.name, "options")
}

app.registerExtension({
  name: "kdsr.choices",

  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("KDSR_")) return
    for (const widget of node.widgets ?? []) {
      const labels = labelsOf(node, widget)
      if (labels) widget.options.getOptionLabel = (value) => labels[value] ?? String(value)
    }
  },
})
