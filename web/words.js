// The pack's own texts (locales/*/*.json) in the language of the page, for what the page does not
// translate by itself. ComfyUI sends the texts of all packs in one answer; the page waits for it
// before it makes nodes, because every module that imports this one does.

import { api } from "../../scripts/api.js"
import { app } from "../../scripts/app.js"

const texts = await api
  .fetchApi("/i18n")
  .then((response) => response.json())
  .catch(() => ({}))

const at = (language, keys) => keys.reduce((found, key) => found?.[key], texts[language])

/** What the page speaks. */
export const language = () => app.ui.settings.getSettingValue("Comfy.Locale") ?? "en"

/** Whatever lies at these keys, as ("kdsr", "upload"); English or undefined where it is missing. */
export function words(...keys) {
  return at(language(), keys) ?? english(...keys)
}

export const english = (...keys) => at("en", keys)

/** A text as people see it: vue-i18n's own characters are escaped in the files. */
export const plain = (text) => text.replace(/\{'(.)'\}/g, "$1")
