// @ts-check
/** Small things of every page: the theme's button, moments in the reader's time zone, forms sent once. */

const THEMES = ["auto", "light", "dark"];
const root = document.documentElement;

/** @param {HTMLElement} button */
function wireThemeButton(button) {
  const show = () => button.setAttribute("data-theme-now", root.dataset.theme ?? "auto");
  show();
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("rollcast-theme", next);
    } catch {
      // Storage may be forbidden: the choice then lasts as long as the page.
    }
    show();
  });
}

/** @param {ParentNode} part */
function showLocalTimes(part) {
  for (const time of part.querySelectorAll("time[data-local]")) {
    const moment = new Date(time.getAttribute("datetime") ?? "");
    if (Number.isNaN(moment.getTime())) continue;
    time.textContent = moment.toLocaleString(root.lang, { dateStyle: "medium", timeStyle: "medium" });
    time.setAttribute("title", moment.toISOString());
    time.removeAttribute("data-local");
  }
}

/** A second click while the first is on its way does nothing (the idempotency key would catch it, too). */
function sendOnce(/** @type {SubmitEvent} */ event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.hasAttribute("data-once")) return;
  if (form.hasAttribute("data-sent")) event.preventDefault();
  form.setAttribute("data-sent", "");
}

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  if (button instanceof HTMLElement) wireThemeButton(button);
}
showLocalTimes(document);
document.addEventListener("htmx:load", (event) => {
  if (event.target instanceof Element) showLocalTimes(event.target);
});
document.addEventListener("submit", sendOnce);
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) form.removeAttribute("data-sent");
});
