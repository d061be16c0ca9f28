// Notes and titles of the pack's templates in the page's language: ComfyUI translates those of its
// own templates only. A text is known by its English: what a person wrote stays as it is. A subgraph of
// nodes that this ComfyUI does not have is left out; one that was bypassed for want of model files is
// on where they are there.

import { app } from "../../scripts/app.js"
import { english, plain, words } from "./words.js"

/** Pairs of an English text and the same in the page's language. */
function pairs(kind) {
  const translated = words("kdsr", kind) ?? {}
  return Object.entries(english("kdsr", kind) ?? {}).map(([key, text]) => [
    plain(text),
    plain(translated[key] ?? text),
  ])
}

const OPTIONAL = "kdsr_optional"

const knows = ({ type }) => type in window.LiteGraph.registered_node_types

/** Takes a node with one input and one output away; what it got goes to whoever it gave to. */
function pass(graph, node) {
  const [taken, from, slot] = graph.links.find((link) => link[3] === node.id)
  const outputs = graph.nodes.find(({ id }) => id === from).outputs[slot]
  const given = graph.links.filter((link) => link[1] === node.id)
  for (const link of given) [link[1], link[2]] = [from, slot]
  outputs.links = [...outputs.links.filter((id) => id !== taken), ...given.map(([id]) => id)]
  graph.links = graph.links.filter(([id]) => id !== taken)
  graph.nodes = graph.nodes.filter((other) => other !== node)
}

/** Whether the page lists every model file that a node names. */
function hasFiles(node) {
  const { required = {} } = window.LiteGraph.registered_node_types[node.type].nodeData?.input ?? {}
  const listed = Object.values(required).flatMap(([kind, more]) => (Array.isArray(kind) ? kind : more?.options ?? []))
  return (node.properties.models ?? []).every(({ name }) => listed.includes(name))
}

/** What a template marks as optional; a person's own choice is not touched again. */
function fitOptional(graph) {
  for (const host of graph.nodes.filter(({ properties }) => properties?.[OPTIONAL])) {
    const inside = (id) => id === host.type
    const { nodes } = graph.definitions.subgraphs.find(({ id }) => inside(id))
    if (!nodes.every(knows)) {
      pass(graph, host)
      graph.definitions.subgraphs = graph.definitions.subgraphs.filter(({ id }) => !inside(id))
    } else if (nodes.every(hasFiles)) {
      host.mode = 0
      delete host.properties[OPTIONAL]
    }
  }
}

app.registerExtension({
  name: "kdsr.templates",

  beforeConfigureGraph(graph) {
    const notes = new Map(pairs("notes"))
    const ours = graph.nodes?.some(
      (node) => node.type === "MarkdownNote" && notes.has(node.widgets_values?.[0]),
    )
    if (!ours) return
    fitOptional(graph)
    const titles = new Map(pairs("titles"))
    for (const group of graph.groups ?? [])
      if (titles.has(group.title)) group.title = titles.get(group.title)
    for (const node of graph.nodes) {
      if (titles.has(node.title)) node.title = titles.get(node.title)
      if (node.type !== "MarkdownNote") continue
      const [text] = node.widgets_values ?? []
      if (notes.has(text)) node.widgets_values = [notes.get(text)]
    }
  },
})
