// Load KDSR: scale and size of the model that is chosen, in the line below the widgets. The server
// writes that line when the node runs, but not when its result comes from the cache.

import { api } from "../../scripts/api.js"
import { app } from "../../scripts/app.js"

const LINE = "$$node-text-preview" // ComfyUI's name of the widget that shows `progress_text`

const value = (node, name) => node.widgets.find((widget) => widget.name === name)?.value

async function show(node) {
  const model = value(node, "model")
  const answer = await api.fetchApi(`/kdsr/facts?${new URLSearchParams({ model })}`)
  const text = answer.ok ? await answer.json() : ""
  if (value(node, "model") !== model) return // chosen anew in the meantime
  // The line goes to whichever node has the number: this one may be gone, or in a subgraph.
  if ((app.rootGraph ?? app.graph).getNodeById(node.id) !== node) return
  const line = node.widgets.find((widget) => widget.name === LINE)
  // Of a model on the Hub nothing is known before it is there.
  if (text && !value(node, "hub_id"))
    api.dispatchEvent(new CustomEvent("progress_text", { detail: { nodeId: `${node.id}`, text } }))
  else if (line) line.value = ""
}

app.registerExtension({
  name: "kdsr.facts",

  nodeCreated(node) {
    if (node.comfyClass !== "KDSR_Load") return
    for (const widget of node.widgets) {
      const before = widget.callback
      widget.callback = function (...given) {
        before?.apply(this, given)
        show(node)
      }
    }
    const added = node.onAdded
    node.onAdded = function (...given) {
      added?.apply(this, given)
      setTimeout(() => show(node)) // once it has its values, when a file is read
    }
  },
})
