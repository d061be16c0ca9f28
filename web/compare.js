// The slider of the node Compare. A DOM widget, because ComfyUI's own comparison widget is drawn by
// the Vue nodes of newer versions only; this one is there in every version and on either canvas.

import { api } from "../../scripts/api.js"
import { app } from "../../scripts/app.js"

const MIN_HEIGHT = 160
const START = 0.3 // aside: what two pictures differ in is often in the middle

const STYLE = {
  frame: "position:relative; width:100%; height:100%; min-height:0; overflow:hidden; background:#1a1a1a; border-radius:6px; cursor:ew-resize; touch-action:none",
  image: "position:absolute; inset:0; width:100%; height:100%; object-fit:contain; display:none; pointer-events:none; user-select:none",
  line: "position:absolute; top:0; bottom:0; width:2px; margin-left:-1px; background:#fff; box-shadow:0 0 3px #000; pointer-events:none",
  pages: "position:absolute; bottom:6px; left:50%; transform:translateX(-50%); display:none; gap:8px; padding:0 8px; border-radius:10px; background:#000a; color:#fff; font:12px sans-serif; line-height:20px; cursor:default",
  button: "all:unset; cursor:pointer; padding:0 6px",
}

function element(tag, style, parent) {
  const made = document.createElement(tag)
  made.style.cssText = style
  parent?.append(made)
  return made
}

function address(file) {
  return api.apiURL(`/view?${new URLSearchParams(file)}${app.getRandParam?.() ?? ""}`)
}

/** Two pictures on top of each other; of the upper one shows what is left of the line. */
class Comparison {
  constructor() {
    this.frame = element("div", STYLE.frame)
    this.frame.className = "kdsr-compare"
    this.after = element("img", STYLE.image, this.frame)
    this.before = element("img", STYLE.image, this.frame)
    this.line = element("div", STYLE.line, this.frame)
    this.line.className = "line"
    this.pages = element("div", STYLE.pages, this.frame)
    this.previous = element("button", STYLE.button, this.pages)
    this.label = element("span", "", this.pages)
    this.next = element("button", STYLE.button, this.pages)
    this.previous.textContent = "‹"
    this.next.textContent = "›"
    this.previous.onclick = () => this.turn(-1)
    this.next.onclick = () => this.turn(1)
    this.frame.addEventListener("pointermove", (event) => this.follow(event))
    // The classic canvas lies under the widget and would not see the wheel.
    this.frame.addEventListener("wheel", (event) => {
      if (!window.LiteGraph?.vueNodesMode) app.canvas.processMouseWheel?.(event)
    })
    this.files = { before: [], after: [] }
    this.index = 0
    this.cut(START)
  }

  show(before, after) {
    this.files = { before: before ?? [], after: after ?? [] }
    this.index = Math.min(this.index, Math.max(0, this.count - 1))
    this.draw()
  }

  get count() {
    return Math.max(this.files.before.length, this.files.after.length)
  }

  /** Shorter batches go on with their last image. */
  draw() {
    for (const side of ["before", "after"]) {
      const files = this.files[side]
      const file = files[Math.min(this.index, files.length - 1)]
      this[side].style.display = file ? "block" : "none"
      if (file) this[side].src = address(file)
    }
    this.pages.style.display = this.count > 1 ? "flex" : "none"
    this.label.textContent = `${this.index + 1} / ${this.count}`
  }

  turn(step) {
    this.index = (this.index + step + this.count) % this.count
    this.draw()
  }

  follow(event) {
    const box = this.frame.getBoundingClientRect()
    this.cut(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)))
  }

  cut(share) {
    this.line.style.left = `${100 * share}%`
    this.before.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`
  }
}

app.registerExtension({
  name: "kdsr.compare",

  nodeCreated(node) {
    if (node.comfyClass !== "KDSR_Compare") return
    const comparison = new Comparison()
    const widget = node.addDOMWidget("comparison", "kdsr_comparison", comparison.frame, {
      getMinHeight: () => MIN_HEIGHT,
      hideOnZoom: false,
      serialize: false,
    })
    widget.serialize = false
    const executed = node.onExecuted
    node.onExecuted = function (output) {
      executed?.call(this, output)
      comparison.show(output?.kdsr_before, output?.kdsr_after)
    }
    node.setSize([Math.max(node.size[0], 360), Math.max(node.size[1], 320)])
  },
})
