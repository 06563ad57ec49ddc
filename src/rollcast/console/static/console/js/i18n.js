// @ts-check
/**
 * Django's JavaScriptCatalog, or plain English where no catalogue is loaded. The names are those that
 * `makemessages -d djangojs` looks for, so import them under these names only.
 */

/** @typedef {{gettext?: (id: string) => string, ngettext?: (one: string, many: string, n: number) => string, pgettext?: (context: string, id: string) => string}} Catalogue */

const catalogue = () => /** @type {Catalogue} */ (/** @type {unknown} */ (globalThis));

/** @param {string} id */
export function gettext(id) {
  return catalogue().gettext?.(id) ?? id;
}

/**
 * @param {string} one
 * @param {string} many
 * @param {number} n
 */
export function ngettext(one, many, n) {
  return catalogue().ngettext?.(one, many, n) ?? (n === 1 ? one : many);
}

/**
 * @param {string} context
 * @param {string} id
 */
export function pgettext(context, id) {
  return catalogue().pgettext?.(context, id) ?? id;
}

/**
 * Put values into a translated text: `interpolate(gettext("%(n)s hosts"), { n: 3 })`.
 *
 * @param {string} text
 * @param {Record<string, string | number>} values
 */
export function interpolate(text, values) {
  return text.replace(/%\((\w+)\)s/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

const language = () => document.documentElement.lang || "en";

/** A whole number with the reader's separators. @param {number} n */
export function number(n) {
  return n.toLocaleString(language());
}

/** A duration: 07, 4:07 or 1:04:07. @param {number} ms */
export function clock(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60) % 60;
  return s < 3600 ? `${minutes}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(minutes)}:${two(s % 60)}`;
}

/** Hours, minutes and seconds in the reader's time zone. @param {number} ms Unix time */
export function timeOfDay(ms) {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((n) => String(n).padStart(2, "0"))
    .join(":");
}
