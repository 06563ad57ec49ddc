// @ts-check
/**
 * Finds the rows that contain a text, in slices so that the page stays alive, and goes on with the rows that
 * come later. The number of hits is exact: all rows of the view are looked at, none is capped away.
 */

import { plainText } from "./ansi.js";
import { integers } from "./columns.js";

/** Time in ms that one slice may take: half a frame. */
const SLICE_MS = 8;
/** Rows between two looks at the clock. */
const STRIDE = 256;

/** @typedef {{readonly length: number, at: (i: number) => number}} View */

export class Search {
  /** Changes whenever rows must be drawn anew. */
  version = 0;
  /** Lower-cased text that is looked for; "" = no search. */
  query = "";

  #store;
  #onProgress;
  /** @type {View} */
  #view = { length: 0, at: () => 0 };
  #hits = integers();
  #scanned = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import("./linestore.js").LineStore} store
   * @param {() => void} onProgress
   */
  constructor(store, onProgress) {
    this.#store = store;
    this.#onProgress = onProgress;
    store.onGrown = (row) => this.#grown(row);
  }

  /** @param {View} view @param {string} query */
  start(view, query) {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#view = view;
    this.query = query.toLowerCase();
    this.#hits = integers();
    this.#scanned = 0;
    this.version += 1;
    if (this.query === "") this.#onProgress();
    else this.#slice();
  }

  /** Rows were added to the view. */
  more() {
    if (this.query !== "" && this.#timer === undefined) this.#slice();
  }

  /** How many rows were found so far. */
  get count() {
    return this.#hits.length;
  }

  /** Whether all rows were looked at. */
  get complete() {
    return this.query === "" || this.#scanned >= this.#view.length;
  }

  /** @param {number} row */
  isHit(row) {
    const i = this.#hits.lowerBound(row);
    return i < this.#hits.length && this.#hits.at(i) === row;
  }

  /** Position among the hits, from 1; 0 if the row is none. @param {number} row */
  rank(row) {
    return this.isHit(row) ? this.#hits.lowerBound(row) + 1 : 0;
  }

  /**
   * The next hit after a row, or the one before it, around the end.
   *
   * @param {number} row
   * @param {boolean} backwards
   * @returns {number | null} its row
   */
  step(row, backwards) {
    if (this.count === 0) return null;
    const at = this.#hits.lowerBound(row);
    const next = backwards ? at - 1 : at + (this.isHit(row) ? 1 : 0);
    return this.#hits.at((next + this.count) % this.count);
  }

  #slice() {
    this.#timer = undefined;
    const until = performance.now() + SLICE_MS;
    const { length } = this.#view;
    while (this.#scanned < length) {
      const row = this.#view.at(this.#scanned);
      this.#scanned += 1;
      if (this.#matches(row)) this.#hits.push(row);
      if (this.#scanned % STRIDE === 0 && performance.now() > until) {
        this.#timer = setTimeout(() => this.#slice(), 0);
        break;
      }
    }
    this.version += 1;
    this.#onProgress();
  }

  /** @param {number} row */
  #matches(row) {
    return plainText(this.#store.text(row)).toLowerCase().includes(this.query);
  }

  /** A row that was looked at already got longer. @param {number} row */
  #grown(row) {
    if (this.query === "" || this.#scanned === 0 || row > this.#view.at(this.#scanned - 1)) return;
    const hit = this.isHit(row);
    const wanted = this.#inView(row) && this.#matches(row);
    const at = this.#hits.lowerBound(row);
    if (wanted && !hit) this.#hits.insert(at, row);
    if (!wanted && hit) this.#hits.remove(at);
    if (wanted !== hit) this.version += 1;
  }

  /** @param {number} row */
  #inView(row) {
    let low = 0;
    let high = this.#view.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#view.at(middle) < row) low = middle + 1;
      else high = middle;
    }
    return low < this.#view.length && this.#view.at(low) === row;
  }
}
