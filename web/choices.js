// The choices of KDSR's combos in the page's language. What is chosen and saved stays English, so
// that workflows can be shared. Pages older than ComfyUI 0.9 know no labels: they show the value.

import { app } from "../../scripts/app.js"
import { words } from "./words.js"

app.registerExtension({
  name: "kdsr.choices",

  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("KDSR_")) return
    const inputs = words("nodeDefs", node.comfyClass, "inputs")
    for (const widget of node.widgets ?? []) {
      const labels = inputs?.[widget.name]?.options
      if (labels) widget.options.getOptionLabel = (value) => labels[value] ?? String(value)
    }
  },
})
