// Load IDR: a button that uploads a file, which may also be dropped on the node; ComfyUI's own
// uploads take pictures, sound and video alone. Save IDR: dates and fields of other nodes in the
// file name, which the page fills in for its own Save nodes only.

import { api } from "../../scripts/api.js"
import { app } from "../../scripts/app.js"
import { words } from "./words.js"

const SUFFIX = ".safetensors"
const widget = (node, name) => node.widgets.find((widget) => widget.name === name)

/** Puts a file into ComfyUI's input folder; returns its name there. */
async function upload(file) {
  const body = new FormData()
  body.append("image", file) // what the route calls every file
  const response = await api.fetchApi("/upload/image", { method: "POST", body })
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`)
  return (await response.json()).name
}

async function take(node, file) {
  const list = widget(node, "file")
  try {
    const name = await upload(file)
    if (!list.options.values.includes(name)) list.options.values = [...list.options.values, name]
    list.value = name
    list.callback?.(name)
    app.graph.setDirtyCanvas(true, true)
  } catch (error) {
    app.extensionManager.toast.add({
      severity: "error",
      summary: file.name,
      detail: String(error.message ?? error),
      life: 8000,
    })
  }
}

function choose(node) {
  const picker = document.createElement("input")
  picker.type = "file"
  picker.accept = SUFFIX
  picker.className = "kdsr-upload"
  picker.style.display = "none"
  picker.onchange = () => {
    picker.remove()
    if (picker.files.length) take(node, picker.files[0])
  }
  picker.oncancel = () => picker.remove()
  document.body.append(picker)
  picker.click()
}

function addUpload(node) {
  const button = node.addWidget("button", "upload", null, () => choose(node))
  button.serialize = false
  button.options.serialize = false
  button.label = words("kdsr", "upload")
  node.onDragOver = (event) => event.dataTransfer.types.includes("Files")
  node.onDragDrop = (event) => {
    const file = [...event.dataTransfer.files].find((file) => file.name.endsWith(SUFFIX))
    if (file) take(node, file)
    return !!file
  }
}

function fillIn(prefix) {
  const own = prefix.serializeValue
  prefix.serializeValue = function (...args) {
    const value = own ? own.apply(this, args) : prefix.value
    return window.comfyAPI?.utils?.applyTextReplacements?.(app, String(value)) ?? value
  }
}

app.registerExtension({
  name: "kdsr.idr_files",

  nodeCreated(node) {
    if (node.comfyClass === "KDSR_LoadIDR") addUpload(node)
    if (node.comfyClass === "KDSR_SaveIDR") fillIn(widget(node, "filename_prefix"))
  },
})
