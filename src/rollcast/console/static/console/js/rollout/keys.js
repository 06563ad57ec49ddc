// @ts-check
/** Single keys of the rollout page: few, never in a field, and none that changes anything on a host. */

import { gettext } from "../i18n.js";
import { showKeys } from "./dialogs.js";

/**
 * @param {import("./logpane.js").LogPane} log
 * @param {() => void} allHosts
 * @param {() => void} showLog where it is not beside the hosts
 */
export function bindKeys(log, allHosts, showLog) {
  /** @type {Record<string, () => void>} */
  const deeds = {
    "/": () => {
      showLog();
      log.focusSearch();
    },
    f: () => log.toggleFollow(),
    e: () => {
      showLog();
      log.nextAlarm();
    },
    n: () => log.nextHit(),
    N: () => log.nextHit(true),
    "?": () => void showKeys(described()),
    Escape: () => {
      if (!log.endSearch()) allHosts();
    },
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    const deed = deeds[event.key];
    if (!deed || inField(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && document.querySelector(":popover-open")) return; // it closes that first
    event.preventDefault();
    deed();
  });
}

/** @returns {[string[], string][]} */
function described() {
  return [
    [["/"], gettext("Search the log")],
    [["n", "N"], gettext("Next and previous hit")],
    [["e"], gettext("Next failure in the log")],
    [["f"], gettext("Follow the end of the log, or stop following")],
    [["Esc"], gettext("End the search; back to all hosts")],
    [["?"], gettext("These keys")],
  ];
}

/** @param {EventTarget | null} target */
function inField(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))
  );
}
