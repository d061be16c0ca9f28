// Widgets that are there and not shown, on either canvas.

/** Hides a widget or shows it again. */
export function setHidden(widget, hidden) {
  widget.hidden = hidden // read by the classic canvas
  widget.options.hidden = hidden // read by the Vue nodes
  // Older canvases leave room for what is hidden: its height and 4 pixels.
  if (hidden) widget.computeSize = () => [0, -4]
  else delete widget.computeSize
}
