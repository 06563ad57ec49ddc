// @ts-check
/**
 * Elements without HTML strings: everything shown goes through `textContent`, so nothing a server prints can
 * become markup (Trusted Types would refuse it anyway).
 */

/**
 * @param {string} tag with classes: "span.rh-state.s-running"
 * @param {Record<string, string | number | boolean | null>} [attributes] true = empty attribute, false and null = none
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  element.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) attribute(element, key, value);
  element.append(...children);
  return element;
}

/**
 * @param {Element} element
 * @param {string} key
 * @param {string | number | boolean | null} value
 */
export function attribute(element, key, value) {
  if (value === false || value === null) element.removeAttribute(key);
  else element.setAttribute(key, value === true ? "" : String(value));
}

/** Set the text unless it stands there already: an equal write would still cost a layout. @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Replace the class that begins with `prefix`.
 *
 * @param {Element} element
 * @param {string} prefix
 * @param {string} value
 */
export function swapClass(element, prefix, value) {
  const wanted = prefix + value;
  if (element.classList.contains(wanted)) return;
  for (const one of [...element.classList]) if (one.startsWith(prefix)) element.classList.remove(one);
  element.classList.add(wanted);
}

/** @param {string} glyph */
export function glyphOf(glyph) {
  return make("span.glyph", { "aria-hidden": "true" }, glyph);
}
