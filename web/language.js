// The user's language, for what the front end's own translations do not reach.
import { app } from "../../scripts/app.js";

/** The entry of a table { en, zh, ja } for the language that is set; English where there is none. */
export function inLanguage(table) {
  const locale = String(app.extensionManager?.setting?.get("Comfy.Locale") ?? "en");
  return table[locale] ?? table[locale.split("-")[0]] ?? table.en;
}
