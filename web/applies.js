// Shows only the widgets that apply to what is chosen, and gives every way to state a size a value
// that makes sense. In JavaScript and not by ComfyUI's DynamicCombo: see nodes/sizes.py.

import { app } from "../../scripts/app.js"
import { setHidden } from "./hidden.js"

const MASKS = ["mask_1", "mask_2", "mask_3"]

/** The widgets that do not always apply: what they hang on, and the choices with which they do. */
const APPLIES = {
  crispness: ["model", (model) => /^kdsr-.*-crisp$/.test(model)],
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

const find = (node, name) => node.widgets?.find((widget) => widget.name === name)
const linked = (node, name) => node.inputs?.some((input) => input.name === name && input.link != null)

/** Whether a widget means something now; what is linked may become anything. */
function applies(node, name) {
  const [by, accepts] = APPLIES[name] ?? []
  const chosen = find(node, by)
  return !chosen || linked(node, name) || linked(node, by) || accepts(chosen.value, node)
}

function update(node) {
  for (const widget of node.widgets ?? []) {
    if (widget.name in APPLIES) setHidden(widget, !applies(node, widget.name))
  }
  const limits = SIZES[find(node, "size_by")?.value]
  const size = find(node, "size")
  if (limits && size) {
    const { min, max, step, precision } = limits
    // `step` counts tenths, for canvases that do not know `step2`.
    Object.assign(size.options, { min, max, step: 10 * step, step2: step, precision })
  }
  if (node.widgets) node.widgets = [...node.widgets] // the Vue nodes notice a new list, not what changes inside
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

/** Calls `then` with the arguments of a method, after it. */
function after(owner, method, then) {
  const before = owner[method]
  owner[method] = function (...given) {
    const result = before?.apply(this, given)
    then(...given)
    return result
  }
}

/** Of the pack, or a subgraph, which may show widgets of such nodes as its own. */
const ours = (node) => node.comfyClass?.startsWith("KDSR_") || node.subgraph?.nodes.some(ours)

const CHOOSERS = new Set(Object.values(APPLIES).map(([by]) => by))

app.registerExtension({
  name: "kdsr.applies",

  nodeCreated(node) {
    if (!ours(node)) return
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
    if (!node.subgraph && !widgets.some(({ name }) => CHOOSERS.has(name))) return
    after(node, "onConfigure", (info) => {
      readFirst(node, info.widgets_values, defaults)
      watch()
      update(node)
    })
    after(node, "onConnectionsChange", () => updateAndFit(node))
    node.subgraph?.events.addEventListener("widget-promoted", () => {
      watch()
      updateAndFit(node)
    })
    updateAndFit(node)
  },
})
