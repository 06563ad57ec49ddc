// @ts-check
/** The progress bars of a `<live-feed>`: one a lane, from its newest `progress` event: `{"done": 3, "of": 10}`. */

/** Bars shown; further lanes get none. */
const BARS = 50;

export class Bars {
  list = document.createElement("div");
  /** @type {Map<string, {bar: HTMLProgressElement, figure: HTMLElement}>} */
  #lanes = new Map();

  constructor() {
    this.list.className = "live-feed-bars";
  }

  /** @param {import("./subscription.js").Group[]} groups */
  apply(groups) {
    for (const [lane, kind, , , , items] of groups) if (kind === "progress") this.#set(lane, items.at(-1));
  }

  clear() {
    this.#lanes.clear();
    this.list.replaceChildren();
  }

  /**
   * @param {string} lane
   * @param {any} data
   */
  #set(lane, data) {
    const done = Number(data?.done);
    const of = Number(data?.of);
    const known = this.#lanes.get(lane) ?? this.#make(lane);
    if (!known) return;
    const { bar, figure } = known;
    if (of > 0 && done >= 0 && Number.isFinite(of)) {
      bar.max = of;
      bar.value = done;
      figure.textContent = `${done} / ${of}`;
    } else {
      // How far is not known; that it goes on is.
      bar.removeAttribute("value");
      figure.textContent = "";
    }
  }

  /** @param {string} lane */
  #make(lane) {
    if (this.#lanes.size >= BARS) return null;
    const label = document.createElement("label");
    const bar = document.createElement("progress");
    const figure = document.createElement("span");
    label.append(`${lane} `, bar, " ", figure);
    this.list.append(label);
    const made = { bar, figure };
    this.#lanes.set(lane, made);
    return made;
  }
}
