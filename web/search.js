// Finds KDSR's nodes by what people want (denoise, 4x ...) on pages that know no such words: ComfyUI has
// them since 0.11. Before, the server sends them with a node's first input, and its search is asked here.

import { app } from "../../scripts/app.js"
import { store } from "./shared.js"

/** The words of a node that the page does not look at. */
const wordsOf = ({ input }) => Object.values(input?.required ?? {})[0]?.[1]?.kdsr_aliases ?? []

app.registerExtension({
  name: "kdsr.search",

  setup() {
    const nodes = store("nodeDef")
    const search = Object.getPrototypeOf(nodes?.nodeSearchService ?? {})
    const asked = search.searchNode
    const ours = Object.values(nodes?.nodeDefsByName ?? {}).filter((def) => wordsOf(def).length)
    if (!asked || !ours.length) return
    search.searchNode = function (query, filters, ...more) {
      const found = asked.call(this, query, filters, ...more)
      const wanted = query.trim().toLowerCase()
      if (wanted.length < 2 || filters?.length) return found
      const named = ours.filter((def) => wordsOf(def).some((word) => word.includes(wanted)))
      return [...new Set([...found, ...named])]
    }
  },
})
