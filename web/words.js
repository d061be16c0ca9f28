// The pack's own texts (locales/*/*.json) in the language of the page, for what the page does not
// translate by itself. ComfyUI sends the texts of all packs in one answer.

import { api } from "../../scripts/api.js"
import { app } from "../../scripts/app.js"

const answer = api
  .fetchApi("/i18n")
  .then((response) => response.json())
  .catch(() => ({}))

/** Whatever lies at these keys, as ("kdsr", "upload"), or undefined. */
export async function words(...keys) {
  const texts = await answer
  const language = app.ui.settings.getSettingValue("Comfy.Locale") ?? "en"
  const at = (texts) => keys.reduce((found, key) => found?.[key], texts)
  return at(texts[language]) ?? at(texts.en)
}
