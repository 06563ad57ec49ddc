// @ts-check
/**
 * Hosts and log as two tabs where there is no room for both beside each other.
 *
 * The stylesheet decides: on a wide screen it hides the tabs and shows both panes whatever is chosen here. The pane
 * that is not shown keeps its size (`visibility`), so that the log neither loses its place nor stops following.
 */

import { gettext } from "../i18n.js";
import { attribute, make } from "../dom.js";

/** @typedef {"hosts" | "log"} Pane */

/** @type {Pane[]} */
const PANES = ["hosts", "log"];

/** Put the tabs before the panes and show the hosts. @param {HTMLElement} page */
export function showPanes(page) {
  const hosts = page.querySelector(".rollout-hosts");
  if (!hosts) return;
  const words = { hosts: gettext("Hosts"), log: gettext("Log") };
  const tabs = PANES.map((pane) =>
    make("button.rollout-tab", { type: "button", role: "tab", "data-pane": pane }, words[pane]),
  );
  const list = make("div.rollout-tabs", { role: "tablist", "aria-label": gettext("Hosts and log") }, ...tabs);
  list.addEventListener("click", (event) => {
    const pane = /** @type {Element} */ (event.target).closest("[data-pane]")?.getAttribute("data-pane");
    if (pane) showPane(page, /** @type {Pane} */ (pane));
  });
  list.addEventListener("keydown", ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    showPane(page, key === "ArrowLeft" ? "hosts" : "log");
    /** @type {HTMLElement} */ (list.querySelector("[aria-selected=true]")).focus();
  });
  hosts.before(list);
  showPane(page, "hosts");
}

/** @param {HTMLElement} page @param {Pane} pane */
export function showPane(page, pane) {
  attribute(page, "data-pane", pane);
  for (const tab of page.querySelectorAll(".rollout-tab")) {
    const chosen = tab.getAttribute("data-pane") === pane;
    attribute(tab, "aria-selected", String(chosen));
    attribute(tab, "tabindex", chosen ? 0 : -1);
  }
}
