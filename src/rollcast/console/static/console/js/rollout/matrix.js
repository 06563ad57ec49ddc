// @ts-check
/**
 * <host-matrix>: hosts × steps, a real table up to 300 hosts, one dot per host above. Colour, glyph and words.
 *
 * A click on a host asks to see its log ("hostchosen", detail: target id or null for all hosts).
 */

import { gettext, interpolate, number } from "../i18n.js";
import { attribute, glyphOf, make, say, swapClass } from "../dom.js";
import { isProblem, isUnconfirmed, latestRun, shownState } from "./state.js";
import { accountOf, remarkOf } from "./remarks.js";
import { acceptedWord, evidenceWord, glyph, reasonWord, stateWord } from "./words.js";

/** Above so many hosts a table of all steps has more cells than a person can read. */
const TABLE_HOSTS = 300;

/** More columns than this are too narrow for the names of their steps. */
const NAMED_STEPS = 12;

/** @typedef {import("./state.js").Target} Target */
/** @typedef {{row: HTMLElement, button: HTMLElement, cells: HTMLElement[], said: HTMLElement | null}} Drawn */

export class HostMatrix extends HTMLElement {
  /** @type {import("./state.js").RolloutModel | null} */
  #model = null;
  /** @type {Map<number, Drawn>} */
  #drawn = new Map();
  /** @type {Set<Target>} */
  #dirty = new Set();
  #frame = 0;
  /** @type {number | null} */
  #chosen = null;
  #onlyFailed = false;
  #filter = make("button.hm-filter", { type: "button", "aria-pressed": "false" });
  #all = make("button.hm-all", { type: "button", hidden: true }, gettext("All hosts"));

  /** @param {import("./state.js").RolloutModel} model */
  show(model) {
    this.#model = model;
    this.#drawn.clear();
    const title = make("span.hm-title", {}, gettext("Hosts"));
    const body = model.targets.length > TABLE_HOSTS ? this.#compact(model) : this.#table(model);
    this.replaceChildren(make("div.hm-tools", {}, title, this.#filter, this.#all), body);
    this.#filter.onclick = () => this.#setOnlyFailed(!this.#onlyFailed);
    this.#all.onclick = () => this.#tell(null);
    body.addEventListener("click", (event) => this.#clicked(event));
    body.addEventListener("keydown", (event) => this.#key(/** @type {KeyboardEvent} */ (event)));
    model.targets.forEach((target, i) =>
      attribute(this.#at(target).button, "tabindex", i === 0 ? "0" : "-1"),
    );
    for (const target of model.targets) this.changed(target);
  }

  /** Draw this target anew in the next frame. @param {Target} target */
  changed(target) {
    this.#dirty.add(target);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** @param {number | null} id of the target whose log is shown */
  choose(id) {
    for (const one of [this.#chosen, id])
      if (one !== null) this.#drawn.get(one)?.row.classList.toggle("is-chosen", one === id);
    this.#chosen = id;
    this.#all.hidden = id === null;
  }

  /** @param {import("./state.js").RolloutModel} model */
  #table(model) {
    const head = make("tr", {}, make("th.hm-corner", { scope: "col" }, gettext("Host")));
    this.style.setProperty("--steps", String(model.steps.length));
    this.classList.toggle("is-many", model.steps.length > NAMED_STEPS);
    for (const { index, name } of model.steps) {
      head.append(
        make(
          "th.hm-step",
          { scope: "col", title: name },
          make("span.hm-step-no", {}, String(index + 1)),
          " ",
          make("span.hm-step-name", {}, name),
        ),
      );
    }
    const body = make("tbody");
    model.waves.forEach(({ no }, position) => {
      const span = model.steps.length + 1;
      const wave = interpolate(gettext("Wave %(n)s"), { n: position + 1 });
      body.append(make("tr.hm-wave", {}, make("th", { colspan: span, scope: "rowgroup" }, wave)));
      for (const target of model.targets) if (target.wave === no) body.append(...this.#tableRow(model, target));
    });
    return make(
      "div.hm-scroll",
      {},
      make(
        "table.hm-table",
        { role: "grid", "aria-label": gettext("Hosts and steps") },
        make("thead", {}, head),
        body,
      ),
    );
  }

  /** @param {import("./state.js").RolloutModel} model @param {Target} target */
  #tableRow(model, target) {
    const button = make(
      "button.hm-name",
      { type: "button" },
      glyphOf(""),
      " ",
      make("span", {}, target.name),
    );
    const cells = model.steps.map(({ index }) => make("td.hm-cell", { "data-step": index }, glyphOf("")));
    const text = make("td", { colspan: cells.length });
    const said = make("tr.hm-said", { hidden: true }, make("th.hm-host"), text);
    const row = make(
      "tr.hm-row",
      { "data-host": target.name, "data-wave": target.wave, "data-target": target.id },
      make("th.hm-host", { scope: "row" }, button),
      ...cells,
    );
    this.#drawn.set(target.id, { row, button, cells, said });
    return [row, said];
  }

  /** @param {import("./state.js").RolloutModel} model */
  #compact(model) {
    const box = make("div.hm-compact", { role: "group", "aria-label": gettext("Hosts") });
    for (const target of model.targets) {
      const dot = make(
        "button.hm-dot",
        { type: "button", "data-host": target.name, "data-wave": target.wave, "data-target": target.id },
        glyphOf(""),
      );
      this.#drawn.set(target.id, { row: dot, button: dot, cells: [], said: null });
      box.append(dot);
    }
    return box;
  }

  #draw() {
    this.#frame = 0;
    for (const target of this.#dirty) this.#drawTarget(target);
    this.#dirty.clear();
    const problems = this.#model?.targets.filter(isProblem).length ?? 0;
    say(this.#filter, interpolate(gettext("Only problems (%(n)s)"), { n: number(problems) }));
    this.#filter.hidden = problems === 0 && !this.#onlyFailed;
  }

  /** @param {Target} target */
  #drawTarget(target) {
    const { row, button, cells, said } = this.#at(target);
    const state = shownState(target);
    swapClass(row, "s-", state);
    say(/** @type {Element} */ (button.querySelector(".glyph")), glyph(state));
    const remark = remarkOf(target, this.#model?.steps ?? []);
    const described = describe(target, state, remark);
    attribute(button, "title", described);
    if (cells.length === 0) attribute(button, "aria-label", described);
    cells.forEach((cell, step) => this.#drawCell(cell, target, step));
    row.hidden = this.#onlyFailed && !isProblem(target);
    row.classList.toggle("is-unconfirmed", isUnconfirmed(target));
    if (!said) return;
    swapClass(said, "s-", state);
    said.hidden = row.hidden || remark === "";
    say(/** @type {Element} */ (said.lastElementChild), remark);
  }

  /** @param {HTMLElement} cell @param {Target} target @param {number} step */
  #drawCell(cell, target, step) {
    const run = latestRun(target, step);
    const state = run?.state ?? "none";
    swapClass(cell, "s-", state);
    say(/** @type {Element} */ (cell.firstElementChild), glyph(state));
    const words = [this.#model?.steps[step].name, run ? stateWord(state) : gettext("Not started")];
    if (run?.reason) words.push(reasonWord(run.reason));
    else if (run?.exit_code) words.push(interpolate(gettext("Exit code %(code)s"), { code: run.exit_code }));
    if (run?.stop_evidence) words.push(evidenceWord(run.stop_evidence));
    if (run?.accepted_by) words.push(acceptedWord(run));
    const upload = this.#model?.uploads.get(target.id);
    const uploading = upload?.step === step && state === "running";
    const percent = upload && uploading ? Math.floor((100 * upload.bytes) / upload.total) : null;
    if (percent !== null) words.push(interpolate(gettext("%(share)s uploaded"), { share: `${percent}%` }));
    cell.style.setProperty("--share", percent === null ? "" : `${percent}%`);
    cell.classList.toggle("is-uploading", uploading);
    if (run && run.attempt > 1) words.push(interpolate(gettext("Attempt %(n)s"), { n: run.attempt }));
    cell.classList.toggle("is-stored", run?.journal_same === true);
    const account = run ? accountOf(run) : "";
    if (account) words.push(account);
    const said = words.join(" · ");
    attribute(cell, "title", said);
    attribute(cell, "aria-label", said);
  }

  /** @param {Target} target @returns {Drawn} */
  #at(target) {
    return /** @type {Drawn} */ (this.#drawn.get(target.id));
  }

  /** @param {boolean} on */
  #setOnlyFailed(on) {
    this.#onlyFailed = on;
    attribute(this.#filter, "aria-pressed", String(on));
    this.classList.toggle("is-filtered", on);
    for (const target of this.#model?.targets ?? []) this.changed(target);
  }

  /** @param {Event} event */
  #clicked(event) {
    const row = /** @type {Element} */ (event.target).closest("[data-target]");
    if (!row) return;
    const id = Number(row.getAttribute("data-target"));
    this.#focus(id);
    this.#tell(id === this.#chosen ? null : id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const row = /** @type {Element} */ (event.target).closest("[data-target]");
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const ids = [...this.#drawn].filter(([, { row: one }]) => !one.hidden).map(([id]) => id);
    const at = ids.indexOf(Number(row.getAttribute("data-target")));
    const line = this.#perLine(ids);
    /** @type {Record<string, number>} */
    const moves = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: line,
      ArrowUp: -line,
      Home: -ids.length,
      End: ids.length,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.#focus(ids[Math.max(0, Math.min(ids.length - 1, at + moves[event.key]))]);
  }

  /** How many hosts stand beside each other: 1 in the table. @param {number[]} ids */
  #perLine(ids) {
    const top = (/** @type {number} */ id) => this.#drawn.get(id)?.row.offsetTop;
    const first = top(ids[0]);
    const below = ids.findIndex((id) => top(id) !== first);
    return below < 0 ? 1 : below;
  }

  /** @param {number} id the only host that Tab reaches: the arrow keys do the rest */
  #focus(id) {
    for (const { button } of this.#drawn.values()) if (button.tabIndex === 0) button.tabIndex = -1;
    const button = /** @type {Drawn} */ (this.#drawn.get(id)).button;
    button.tabIndex = 0;
    button.focus();
  }

  /** @param {number | null} id */
  #tell(id) {
    this.dispatchEvent(new CustomEvent("hostchosen", { bubbles: true, detail: id }));
  }
}

/** @param {Target} target @param {string} state @param {string} remark */
function describe(target, state, remark) {
  const words = [target.name, stateWord(state)];
  if (remark) words.push(remark);
  else if (target.reason) words.push(reasonWord(target.reason));
  return words.join(" · ");
}

customElements.define("host-matrix", HostMatrix);
