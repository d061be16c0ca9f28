// Shows only the widgets that apply to what is chosen, and gives every way to state a size a value
// that makes sense. In JavaScript and not by ComfyUI's DynamicCombo: see nodes/inputs.py.

import { app } from "../../scripts/app.js"
import { setHidden } from "./hidden.js"
import { after, declared, find, linked, redraw } from "./shared.js"
import { words } from "./words.js"

const MASKS = ["mask_1", "mask_2", "mask_3"]

/** The widgets that do not always apply: what they hang on, and the choices with which they do. */
const APPLIES = {
  crispness: ["model", (model, node) => !!declared(node, "model").kdsr_dial?.includes(model)],
  size: ["size_by", (by) => by !== "model factor"],
  fit_height: ["size_by", (by) => by === "fit into"],
  custom_overlap: ["overlap", (overlap) => overlap === "custom"],
  feather: ["regions", (regions, node) => regions === "masks" || MASKS.some((mask) => linked(node, mask))],
  cells: ["regions", (regions) => regions === "map"],
  smoothing: ["mode", (mode) => `${mode}`.startsWith("smoothed")],
  scene_cut: ["mode", (mode) => `${mode}`.startsWith("smoothed")],
}

const PIXELS = { min: 16, max: 65536, step: 8, precision: 0 }
/** What `size` starts from and may be, for each way to state it. */
const SIZES = {
  factor: { start: 2, min: 0.1, max: 16, step: 0.1, precision: 2 },
  width: { start: 1920, ...PIXELS },
  height: { start: 1080, ...PIXELS },
  "longest side": { start: 2048, ...PIXELS },
  "fit into": { start: 1920, ...PIXELS },
  megapixels: { start: 4, min: 0.1, max: 4294, step: 0.5, precision: 2 },
}

/** The widgets of the first workflows, which kept their values by place and not by name. */
const FIRST = {
  KDSR_Upscale: ["size_by", "size", "strength"],
  KDSR_TileUpscale: [
    "size_by", "size", "tile", "overlap", "custom_overlap", "wrap", "tiles_per_batch", "strength",
  ],
  KDSR_UpscaleRegions: ["size_by", "size", "regions", "feather", "cells", "strength"],
}

/** Whether a widget means something now; what is linked may become anything. */
function applies(node, name) {
  if (name === "purpose") return !linked(node, "model")
  const [by, accepts] = APPLIES[name] ?? []
  const chosen = find(node, by)
  return !chosen || linked(node, name) || linked(node, by) || accepts(chosen.value, node)
}

const SWITCH = "kdsr_advanced"
const isAdvanced = (node, { name }) => !!declared(node, name).advanced

/** Vue nodes fold advanced widgets away by themselves; classic canvases differ from version to version. */
const folded = (node, widget) =>
  isAdvanced(node, widget) && !!find(node, SWITCH) && !find(node, SWITCH).value

/** A switch of the page alone: a file does not keep it. */
function addSwitch(node) {
  if (window.LiteGraph?.vueNodesMode || !node.widgets?.some((widget) => isAdvanced(node, widget))) return
  const toggle = node.addWidget("toggle", SWITCH, false, (on) => {
    node.showAdvanced = on // what older canvases ask
    updateAndFit(node)
  })
  toggle.label = words("kdsr", "advanced")
  toggle.serialize = false
  toggle.options.serialize = false
}

const texts = (name) => words("nodeDefs", "KDSR_Upscale", "inputs", name) ?? {}

function label(node, widget, text) {
  if (!widget || !text) return
  widget.label = text
  const input = node.inputs?.find((input) => input.widget?.name === widget.name)
  if (input) input.label = text
}

/** Calls the size what it is: a width, a factor. */
const nameSize = (node, size, by) =>
  label(node, size, texts("size_by").options?.[by === "fit into" ? "width" : by])

/** Subgraphs call the widgets that they show by their ids. */
function nameShown(node) {
  for (const name of ["size_by", "fit_height", "purpose"]) label(node, find(node, name), texts(name).name)
}

function update(node) {
  if (node.subgraph) nameShown(node)
  for (const widget of node.widgets ?? []) {
    const mayHide = widget.name in APPLIES || widget.name === "purpose" || isAdvanced(node, widget)
    if (mayHide) setHidden(widget, !applies(node, widget.name) || folded(node, widget))
  }
  const by = find(node, "size_by")?.value
  const limits = SIZES[by]
  const size = find(node, "size")
  if (limits && size) {
    const { min, max, step, precision } = limits
    // `step` counts tenths, for canvases that do not know `step2`.
    Object.assign(size.options, { min, max, step: 10 * step, step2: step, precision })
    nameSize(node, size, by)
  }
  redraw(node)
}

/** Updates a node that a person changed: it keeps what room it had below its widgets. */
function updateAndFit(node) {
  const before = node.computeSize()[1]
  update(node)
  node.setSize([node.size[0], node.size[1] + node.computeSize()[1] - before])
  app.graph?.setDirtyCanvas(true, true)
}

/** Reads values that were saved before a node had all of its widgets. */
function readFirst(node, values, defaults) {
  const names = FIRST[node.comfyClass]
  if (!Array.isArray(values) || values.length !== names?.length) return
  for (const widget of node.widgets) {
    const place = names.indexOf(widget.name)
    if (widget.name in defaults) widget.value = place < 0 ? defaults[widget.name] : values[place]
  }
}

/** Of the pack, or a subgraph, which may show widgets of such nodes as its own. */
const ours = (node) => node.comfyClass?.startsWith("KDSR_") || node.subgraph?.nodes.some(ours)

const CHOOSERS = new Set(Object.values(APPLIES).map(([by]) => by))

app.registerExtension({
  name: "kdsr.applies",

  nodeCreated(node) {
    if (!ours(node)) return
    addSwitch(node)
    const widgets = node.widgets ?? []
    const defaults = Object.fromEntries(widgets.map(({ name, value }) => [name, value]))
    const watched = new WeakSet()
    const sizes = {} // that were chosen in each way to state them
    let stated

    function choose(widget, value, canvas) {
      // Without a canvas it is a file that is read, which has a size of its own.
      if (widget.name === "size_by" && value !== stated && canvas) {
        const size = find(node, "size") ?? {}
        sizes[stated] = size.value
        size.value = sizes[value] ?? SIZES[value]?.start ?? size.value
        stated = value
      }
      updateAndFit(node)
    }

    /** Looks at the widgets that there are now. */
    function watch() {
      for (const widget of node.widgets ?? []) {
        if (!CHOOSERS.has(widget.name) || watched.has(widget)) continue
        watched.add(widget)
        after(widget, "callback", (value, canvas) => choose(widget, value, canvas))
      }
      stated = find(node, "size_by")?.value
    }

    watch()
    if (!node.subgraph && !widgets.some(({ name }) => CHOOSERS.has(name) || name === SWITCH)) return
    after(node, "onConfigure", (info) => {
      readFirst(node, info.widgets_values, defaults)
      watch()
      update(node)
    })
    after(node, "onConnectionsChange", () => updateAndFit(node))
    const lookAgain = () => {
      watch()
      updateAndFit(node)
    }
    node.subgraph?.events.addEventListener("widget-promoted", lookAgain)
    // Some pages show the widgets of a new subgraph later, and say nothing.
    if (node.subgraph) for (const wait of [100, 500, 2000]) setTimeout(lookAgain, wait)
    updateAndFit(node)
  },
})
