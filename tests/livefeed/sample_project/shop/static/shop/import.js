// @ts-check
/** The page of an import: starts it once, and shows what its feed says. */

import { LiveFeed } from "../livefeed/feed.js";

const page = /** @type {HTMLElement} */ (document.querySelector("#import"));
const bar = /** @type {HTMLProgressElement} */ (page.querySelector("progress"));
const said = /** @type {HTMLOutputElement} */ (page.querySelector("output"));
const rows = /** @type {HTMLOListElement} */ (page.querySelector("ol"));

/** @type {Record<string, (data: any) => void>} */
const show = {
  total(data) {
    bar.max = data;
  },
  row(data) {
    const row = document.createElement("li");
    row.textContent = data;
    rows.append(row);
    bar.value = rows.childElementCount;
    said.textContent = `${bar.value} of ${bar.max}`;
  },
};

const feed = new LiveFeed();
const tail = feed.subscribe(page.dataset.feed ?? "");
tail.addEventListener("events", (event) => {
  for (const [, kind, , , , items] of /** @type {CustomEvent} */ (event).detail.groups)
    for (const data of items) show[kind]?.(data);
});
tail.addEventListener("end", () => {
  said.textContent = `All ${bar.value} are there.`;
});
feed.addEventListener("status", () => {
  page.dataset.connection = feed.status.state;
});
feed.start();

if (page.dataset.begun === "no") {
  // Nothing hangs on the answer: the work goes on without it, and the feed tells how far it is.
  const headers = { "X-CSRFToken": page.dataset.csrf ?? "" };
  fetch(page.dataset.run ?? "", { method: "POST", headers }).catch(() => {});
}
