// @ts-check
/** Typed arrays that grow by doubling: a million entries cost bytes, not objects. */

/** @typedef {Uint8Array | Uint32Array | Float64Array} Cells */

const FIRST_CAPACITY = 1024;

/** @template {Cells} T */
export class Column {
  length = 0;
  #make;
  #cells;

  /** @param {(capacity: number) => T} make */
  constructor(make) {
    this.#make = make;
    this.#cells = make(FIRST_CAPACITY);
  }

  /** @param {number} value @returns {number} its index */
  push(value) {
    if (this.length === this.#cells.length) {
      const larger = this.#make(this.length * 2);
      larger.set(this.#cells);
      this.#cells = larger;
    }
    this.#cells[this.length] = value;
    return this.length++;
  }

  /** @param {number} i below the length */
  at(i) {
    return this.#cells[i];
  }

  /** @param {number} i @param {number} value */
  set(i, value) {
    this.#cells[i] = value;
  }

  /** Make room at `i` and put `value` there. @param {number} i @param {number} value */
  insert(i, value) {
    this.push(0);
    this.#cells.copyWithin(i + 1, i, this.length - 1);
    this.#cells[i] = value;
  }

  /** @param {number} i */
  remove(i) {
    this.#cells.copyWithin(i, i + 1, this.length);
    this.length -= 1;
  }

  /** In a column in ascending order: the first index whose value is not below `value`. @param {number} value */
  lowerBound(value) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#cells[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export const bytes = () => new Column((n) => new Uint8Array(n));
export const integers = () => new Column((n) => new Uint32Array(n));
export const doubles = () => new Column((n) => new Float64Array(n));
