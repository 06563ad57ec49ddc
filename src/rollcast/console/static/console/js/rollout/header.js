// @ts-check
/** <rollout-header>: state, result in words, elapsed time, progress bar and counts. */

import { clock, gettext, interpolate, ngettext, number } from "../i18n.js";
import { attribute, glyphOf, make, say, swapClass } from "../dom.js";
import { adviceOf } from "./remarks.js";
import { shownRolloutState } from "./state.js";
import { glyph, reasonWord, stateWord } from "./words.js";

/** In the order of the bar: what ended first. */
const ORDER = [
  "succeeded",
  "failed",
  "cancelled",
  "skipped",
  "lost",
  "waiting",
  "cancelling",
  "running",
  "pending",
];
const ENDED = ["succeeded", "failed", "cancelled", "skipped"];

/** @typedef {import("./state.js").RolloutModel} RolloutModel */

export class RolloutHeader extends HTMLElement {
  #parts = {
    glyph: glyphOf(""),
    word: make("span.rh-word"),
    result: make("span.rh-result"),
    reason: make("span.rh-reason"),
    by: make("span.rh-by"),
    elapsed: make("span.rh-elapsed", { title: gettext("Elapsed time") }),
    bar: make("div.rh-bar", {
      role: "progressbar",
      "aria-valuemin": 0,
      "aria-label": gettext("Hosts that ended"),
    }),
    counts: make("ul.rh-counts"),
    advice: make("ul.rh-advice", { hidden: true }),
  };
  #state = make("span.rh-state", {}, this.#parts.glyph, " ", this.#parts.word);
  /** @type {Map<string, {segment: HTMLElement, item: HTMLElement, figure: HTMLElement}>} */
  #figures = new Map();

  connectedCallback() {
    if (this.#figures.size > 0) return;
    const { result, reason, by, elapsed, bar, counts, advice } = this.#parts;
    for (const state of ORDER) {
      const figure = make("b");
      const segment = make(`span.rh-seg.s-${state}`);
      const item = make(
        `li.s-${state}`,
        { "data-state": state },
        glyphOf(glyph(state)),
        " ",
        figure,
        " ",
        stateWord(state),
      );
      this.#figures.set(state, { segment, item, figure });
      bar.append(segment);
      counts.append(item);
    }
    this.replaceChildren(
      make("div.rh-line", {}, this.#state, result, reason, by, elapsed),
      bar,
      counts,
      advice,
    );
  }

  /** @param {RolloutModel} model */
  update(model) {
    const { rollout } = model;
    const counts = model.counts();
    const state = shownRolloutState(model);
    swapClass(this.#state, "s-", state);
    say(this.#parts.glyph, glyph(state));
    say(this.#parts.word, stateWord(state));
    sayOrHide(this.#parts.result, resultWords(model, counts));
    sayOrHide(this.#parts.reason, rollout.reason ? reasonWord(rollout.reason) : "");
    sayOrHide(this.#parts.by, wishWords(model));
    const total = model.targets.length;
    for (const [state, { segment, item, figure }] of this.#figures) {
      const n = counts[state] ?? 0;
      say(figure, number(n));
      item.hidden = n === 0;
      segment.style.setProperty("width", `${total > 0 ? (100 * n) / total : 0}%`);
    }
    const ended = ENDED.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
    attribute(this.#parts.bar, "aria-valuemax", total);
    attribute(this.#parts.bar, "aria-valuenow", ended);
    this.#advise(adviceOf(model));
  }

  /** @param {{state: string, text: string}[]} advice */
  #advise(advice) {
    const { advice: list } = this.#parts;
    list.hidden = advice.length === 0;
    if (list.textContent === advice.map(({ state, text }) => glyph(state) + text).join("")) return;
    list.replaceChildren(
      ...advice.map(({ state, text }) =>
        make(`li.s-${state}`, {}, glyphOf(glyph(state)), make("span", {}, text)),
      ),
    );
  }

  /** @param {RolloutModel} model @param {number} now Unix time in ms, the server's */
  tick({ rollout }, now) {
    const from = rollout.started_at_ms ?? rollout.created_at_ms;
    say(this.#parts.elapsed, from ? clock((rollout.ended_at_ms ?? now) - from) : "");
  }
}

/** @param {HTMLElement} element @param {string} text */
function sayOrHide(element, text) {
  element.hidden = text === "";
  say(element, text);
}

/** "2 failed, 1 skipped" beside the state: a rollout may succeed with failures within its budget. @param {RolloutModel} model @param {Record<string, number>} counts */
export function resultWords(model, counts) {
  const words = [];
  if (shownRolloutState(model) === "pausing" && model.busy > 0) words.push(pausingWords(model.busy));
  const failed = counts.failed ?? 0;
  const skipped = counts.skipped ?? 0;
  if (failed > 0)
    words.push(interpolate(ngettext("%(n)s failed", "%(n)s failed", failed), { n: number(failed) }));
  if (skipped > 0)
    words.push(interpolate(ngettext("%(n)s skipped", "%(n)s skipped", skipped), { n: number(skipped) }));
  return words.join(", ");
}

/** @param {number} busy */
function pausingWords(busy) {
  return interpolate(
    ngettext(
      "%(n)s host still finishes its step",
      "%(n)s hosts still finish their step",
      busy,
    ),
    { n: number(busy) },
  );
}

/** @param {RolloutModel} model */
function wishWords({ lastWish }) {
  if (!lastWish) return "";
  const who = { who: (lastWish.by ?? "").replace(/^user:/, "") };
  switch (lastWish.verb) {
    case "started":
      return interpolate(gettext("started by %(who)s"), who);
    case "paused":
      return interpolate(gettext("paused by %(who)s"), who);
    case "resumed":
      return interpolate(gettext("resumed by %(who)s"), who);
    case "cancelled":
      return interpolate(gettext("cancelled by %(who)s"), who);
    case "accepted":
      return interpolate(gettext("accepted as unconfirmed by %(who)s"), who);
    case "retried":
      return interpolate(gettext("retried by %(who)s"), who);
    default:
      return "";
  }
}

customElements.define("rollout-header", RolloutHeader);
