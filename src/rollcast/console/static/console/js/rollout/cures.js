// @ts-check
/** What to do about a host that could not take part; the server has the words, in the reader's language. */

import { interpolate } from "../i18n.js";

/** @type {Record<string, string> | undefined} reason of a failed target -> its cure */
let cures;

/** @param {{reason: string, name: string, address: string}} target */
export function cureOf({ reason, name, address }) {
  cures ??= JSON.parse(document.getElementById("rollout-cures")?.textContent || "{}");
  const cure = cures?.[reason];
  return cure ? interpolate(cure, { host: name, address }) : "";
}
