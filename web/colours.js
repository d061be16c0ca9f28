// Sockets and links of KDSR's own types in colours of their own, on the classic canvas and in Vue
// nodes. ComfyUI's palettes clear the colour of every type that they do not name: ours stands in.

import { app } from "../../scripts/app.js"

const COLOURS = { KDSR_MODEL: "#d9985f", KDSR_IDR: "#e86fa8" }

/** Answers for a type that has no colour of its own in this map. */
function standIn(map, type, colour) {
  let chosen = map[type]
  Object.defineProperty(map, type, {
    get: () => chosen || colour,
    set: (other) => (chosen = other),
    enumerable: true,
    configurable: true,
  })
}

app.registerExtension({
  name: "kdsr.colours",

  setup() {
    const style = document.createElement("style") // a palette's own colour is stronger than this
    for (const [type, colour] of Object.entries(COLOURS)) {
      standIn(app.canvas.default_connection_color_byType, type, colour)
      standIn(window.LGraphCanvas.link_type_colors, type, colour)
      style.append(`:root { --color-datatype-${type}: ${colour} }\n`)
    }
    document.head.append(style)
    app.canvas.setDirty(true, true)
  },
})
