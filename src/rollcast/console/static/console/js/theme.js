// @ts-check
/**
 * The theme before the first paint: a classic script in <head>, so that no page flashes in the wrong one.
 * app.js lets the button in the top bar change it.
 */
(() => {
  let theme = "auto";
  try {
    theme = localStorage.getItem("rollcast-theme") ?? "auto";
  } catch {
    // Storage may be forbidden: the system's theme it is.
  }
  if (theme !== "auto") document.documentElement.dataset.theme = theme;
})();
