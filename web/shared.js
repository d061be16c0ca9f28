// What the pack's scripts share.

import { app } from "../../scripts/app.js"

export const find = (node, name) => node.widgets?.find((widget) => widget.name === name)

export const linked = (node, name) =>
  !!node.inputs?.some((input) => input.name === name && input.link != null)

/** Calls `then` with the arguments of a method, after it. */
export function after(owner, method, then) {
  const before = owner[method]
  owner[method] = function (...given) {
    const result = before?.apply(this, given)
    then(...given)
    return result
  }
}

/** What the server says of an input of a node. */
export function declared(node, name) {
  const inputs = node.constructor?.nodeData?.input ?? {}
  return (inputs.required?.[name] ?? inputs.optional?.[name])?.[1] ?? {}
}

/** What the page itself keeps under a name; it gives extensions no other way to it. */
export const store = (name) =>
  document.querySelector("#vue-app")?.__vue_app__?.config.globalProperties.$pinia?._s.get(name)

/** The node of an execution id: "5", or "5:2" for a node inside a subgraph. */
export function locate(id) {
  let graph = app.rootGraph ?? app.graph
  let node
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(part) ?? graph?.getNodeById(Number(part))
    graph = node?.subgraph
  }
  return node
}

/** Tells the Vue nodes that something inside the widgets changed: they notice a new list alone. */
export function redraw(node) {
  if (node.widgets) node.widgets = [...node.widgets]
  app.graph?.setDirtyCanvas(true, true)
}
