// @ts-check
/** The tab's title and icon carry the state, so that a hidden tab informs. */

import { shownRolloutState } from "./state.js";
import { glyph } from "./words.js";

/** @type {Record<string, string>} colours of the icon; it stands outside the page and knows no theme */
const COLOURS = {
  running: "#2f6fed",
  pausing: "#b7791f",
  paused: "#b7791f",
  succeeded: "#0f8a6c",
  failed: "#d6402b",
  cancelled: "#6b7280",
  cancelling: "#6b7280",
  pending: "#6b7280",
};

const plainTitle = document.title;
let shownState = "";

/** @param {import("./state.js").RolloutModel} model */
export function showInTab(model) {
  const state = shownRolloutState(model);
  const counts = model.counts();
  const ended = ["succeeded", "failed", "cancelled", "skipped"].reduce(
    (sum, one) => sum + (counts[one] ?? 0),
    0,
  );
  const percent =
    model.targets.length > 0 && !model.over ? ` ${Math.floor((100 * ended) / model.targets.length)}%` : "";
  const failed = counts.failed ? ` · ${counts.failed}${glyph("failed")}` : "";
  document.title = `${glyph(state)}${percent}${failed} · ${plainTitle}`;
  if (state !== shownState) icon(COLOURS[state] ?? COLOURS.pending);
  shownState = state;
}

/** @param {string} colour */
function icon(colour) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${colour}"/></svg>`;
  let link = /** @type {HTMLLinkElement | null} */ (document.querySelector('link[rel~="icon"]'));
  if (!link) {
    link = document.createElement("link");
    link.rel = "icon";
    document.head.append(link);
  }
  link.type = "image/svg+xml";
  link.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
