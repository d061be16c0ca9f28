// Notes and titles of the pack's templates in the page's language: ComfyUI translates those of its
// own templates only. A text is known by its English: what a person wrote stays as it is.

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

app.registerExtension({
  name: "kdsr.templates",

  beforeConfigureGraph(graph) {
    const notes = new Map(pairs("notes"))
    const ours = graph.nodes?.some(
      (node) => node.type === "MarkdownNote" && notes.has(node.widgets_values?.[0]),
    )
    if (!ours) return
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
