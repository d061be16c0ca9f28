// Inspect IDR: the server draws its figure, and learns from each run which language the page speaks.
// A workflow does not keep it: whoever opens the file has a language of their own.

import { app } from "../../scripts/app.js"
import { setHidden } from "./hidden.js"
import { language } from "./words.js"

app.registerExtension({
  name: "kdsr.language",

  nodeCreated(node) {
    if (node.comfyClass !== "KDSR_InspectIDR") return
    const widget = node.widgets.find(({ name }) => name === "language")
    widget.serialize = false
    widget.serializeValue = language
    setHidden(widget, true)
    node.setSize(node.computeSize())
  },
})
