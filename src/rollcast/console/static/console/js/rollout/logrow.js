// @ts-check
/** Draws one row of the log: text nodes only, whatever the line contains. */

import { gettext, number, timeOfDay } from "../i18n.js";
import { attribute, make, say } from "../dom.js";
import { parseLine } from "./ansi.js";
import { FLAG } from "./linestore.js";

/** @typedef {{no: HTMLElement, time: HTMLElement, host: HTMLElement, text: HTMLElement, drawn: string}} Parts */
/** @typedef {{index: number, host: string, hit: boolean, current: boolean}} Setting */

/** @type {WeakMap<HTMLElement, Parts>} */
const partsOf = new WeakMap();

export function makeRow() {
  const parts = {
    no: make("span.lp-no"),
    time: make("span.lp-time"),
    host: make("span.lp-host"),
    text: make("span.lp-text", { dir: "ltr" }),
    drawn: "",
  };
  const row = make("div.lp-row", {}, parts.no, parts.time, parts.host, parts.text);
  partsOf.set(row, parts);
  return row;
}

/**
 * @param {HTMLElement} element made by makeRow
 * @param {import("./linestore.js").LineStore} store
 * @param {number} id the row to show
 * @param {Setting} setting
 */
export function drawRow(element, store, id, { index, host, hit, current }) {
  const parts = /** @type {Parts} */ (partsOf.get(element));
  const row = store.row(id);
  const drawn = [id, row.version, index, host, hit, current].join();
  if (parts.drawn === drawn) return;
  parts.drawn = drawn;
  const note = Boolean(row.flags & FLAG.note);
  element.classList.toggle("lp-note", note);
  element.classList.toggle("is-alarm", Boolean(row.flags & FLAG.alarm));
  element.classList.toggle("is-open", Boolean(row.flags & FLAG.open));
  element.classList.toggle("is-hit", hit);
  element.classList.toggle("is-current-hit", current);
  const data = {
    seq: row.seq,
    line: index + 1,
    origin: row.origin,
    nth: row.nth || null,
    kind: note ? "note" : "line",
  };
  for (const [name, value] of Object.entries(data)) attribute(element, `data-${name}`, value);
  say(parts.no, number(index + 1));
  say(parts.time, row.at > 0 ? timeOfDay(row.at) : "");
  say(parts.host, host);
  parts.text.replaceChildren(...stretches(store.text(id)), ...remarks(row.flags));
}

/** @param {string} line */
function stretches(line) {
  return parseLine(line).map(({ text, classes, color, background }) => {
    if (classes === "" && color === null && background === null) return document.createTextNode(text);
    const span = make("span", {}, text);
    span.className = classes;
    if (color !== null) span.style.setProperty("color", color);
    if (background !== null) span.style.setProperty("background-color", background);
    return span;
  });
}

/** What was changed in the line so that it can be shown. @param {number} flags */
function remarks(flags) {
  const said = [];
  if (flags & FLAG.bytes) said.push(gettext("Bytes that are no valid text are shown as \\xNN"));
  if (flags & FLAG.nul) said.push(gettext("NUL bytes are shown as ␀"));
  if (flags & FLAG.masked) said.push(gettext("A secret was masked"));
  return said.length > 0 ? [make("span.lp-flag", { title: said.join(". "), "data-mark": "⚑" })] : [];
}
