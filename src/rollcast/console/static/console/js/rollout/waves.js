// @ts-check
/** <wave-strip>: one box per wave with its state and how far it is. */

import { gettext, interpolate, number } from "../i18n.js";
import { glyphOf, make, say, swapClass } from "../dom.js";
import { glyph, stateWord } from "./words.js";

export class WaveStrip extends HTMLElement {
  /** @type {Map<number, HTMLElement>} */
  #boxes = new Map();

  /** @param {import("./state.js").RolloutModel} model */
  show(model) {
    this.#boxes.clear();
    model.waves.forEach(({ no }, position) => {
      const name = interpolate(gettext("Wave %(n)s"), { n: position + 1 });
      const bar = make("span.ws-bar", { "aria-hidden": "true" }, make("span.ws-fill"));
      const box = make(
        "li.ws-wave",
        { "data-wave": no },
        glyphOf(""),
        make("span.ws-name", {}, name),
        make("span.ws-progress"),
        make("span.ws-failed"),
        bar,
      );
      this.#boxes.set(no, box);
    });
    this.replaceChildren(make("ol.ws-list", { "aria-label": gettext("Waves") }, ...this.#boxes.values()));
    this.update(model);
  }

  /** @param {import("./state.js").RolloutModel} model */
  update(model) {
    for (const [no, box] of this.#boxes) {
      const { n, done, failed, state } = model.wave(no);
      const [sign, , progress, failures, bar] = box.children;
      swapClass(box, "s-", state);
      box.classList.toggle("is-current", done < n && state !== "pending" && !model.over);
      box.title = stateWord(state);
      say(sign, glyph(state));
      say(progress, `${number(done)} / ${number(n)}`);
      say(failures, failed > 0 ? `${glyph("failed")} ${number(failed)}` : "");
      /** @type {HTMLElement} */ (bar.firstElementChild).style.setProperty(
        "width",
        `${n > 0 ? (100 * done) / n : 0}%`,
      );
    }
  }
}

customElements.define("wave-strip", WaveStrip);
