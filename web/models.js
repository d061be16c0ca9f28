// Load KDSR: its list shows what most people need, and everything when "other models" is on. The
// switch is of the page alone: files hold the name that is chosen, whatever the list showed.

import { app } from "../../scripts/app.js"
import { after, declared, find, linked, redraw } from "./shared.js"
import { words } from "./words.js"

const SWITCH = "other_models"

function update(node) {
  const model = find(node, "model")
  const first = declared(node, "model").kdsr_first
  if (!model || !first) return
  model.kdsr_all ??= model.options.values
  const all = find(node, SWITCH).value || !first.includes(model.value)
  model.options.values = all ? model.kdsr_all : first
  find(node, SWITCH).value = all
  redraw(node)
}

function addSwitch(node) {
  const other = node.addWidget("toggle", SWITCH, false, () => choose(node))
  other.label = words("kdsr", "other")
  other.serialize = false
  other.options.serialize = false
  after(node, "onConfigure", () => update(node))
  after(find(node, "model"), "callback", () => update(node))
  update(node)
}

/** Turned off, the list goes back to what it begins with, and so does the choice. */
function choose(node) {
  const model = find(node, "model")
  const first = declared(node, "model").kdsr_first
  if (!find(node, SWITCH).value && !first.includes(model.value)) {
    model.value = first[0]
    model.callback?.(model.value)
  }
  update(node)
}

/** A dial that means nothing for the model is queued as new: ComfyUI would load and run it again. */
function addDial(node) {
  const dial = find(node, "crispness")
  const { kdsr_dial } = declared(node, "model")
  if (!dial || !kdsr_dial) return
  dial.serializeValue = () =>
    linked(node, "model") || kdsr_dial.includes(find(node, "model").value)
      ? dial.value
      : declared(node, "crispness").default
}

app.registerExtension({
  name: "kdsr.models",

  nodeCreated(node) {
    if (node.comfyClass !== "KDSR_Load") return
    addSwitch(node)
    addDial(node)
  },

  // R was pressed: the page has put the whole list into every node.
  refreshComboInNodes(defs) {
    const all = defs.KDSR_Load?.input.required.model
    const values = Array.isArray(all?.[0]) ? all[0] : all?.[1]?.options
    for (const graph of [app.graph, ...(app.rootGraph?.subgraphs?.values() ?? [])])
      for (const node of graph.nodes.filter(({ comfyClass }) => comfyClass === "KDSR_Load")) {
        find(node, "model").kdsr_all = values
        update(node)
      }
  },
})
