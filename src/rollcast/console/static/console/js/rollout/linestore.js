// @ts-check
/**
 * All lines of a rollout, compactly: raw UTF-8 in chunks, numbers in columns; a million lines stay below 200 MB.
 *
 * A *row* is what one line of the pane shows: a line of output, or a note (a state change, put among the lines
 * where it happened). A row consists of *pieces*, one per event: `cont … cont line` of one origin is one row,
 * standing where its first piece stands, and open until its `line` comes. Rows are only ever added at the end
 * and pieces only ever added to open rows, so a row's number never changes.
 *
 * Promise: `texts(origin)` is exactly what the events said, in their order. The store never drops, trims or
 * cleans; what is for the eye only (colours, `\r`) happens when a row is drawn.
 */

import { bytes, doubles, integers } from "./columns.js";

const CHUNK_BYTES = 1 << 20;
const NONE = 0xffffffff;

/** Bits of a row. */
export const FLAG = { bytes: 1, nul: 2, masked: 4, open: 8, note: 16, alarm: 32 };
/** @type {Record<string, number>} the flags of the wire */
const WIRE_FLAGS = { bytes: FLAG.bytes, nul: FLAG.nul, masked: FLAG.masked };

/**
 * @typedef {object} Row
 * @property {number} id its number among all rows
 * @property {number} seq of its first piece
 * @property {number} at when that was stored, Unix time in ms
 * @property {string} origin
 * @property {string} lane
 * @property {number} nth line of its origin, from 1; 0 for notes
 * @property {number} flags
 * @property {number} version changes when pieces are added
 */

export class LineStore {
  /** Lines of output with their newline, without notes. */
  lineCount = 0;
  /** Called with the row's number when a row that others may have looked at got longer. @type {(row: number) => void} */
  onGrown = () => {};

  /** @type {Uint8Array[]} */
  #chunks = [];
  #used = CHUNK_BYTES;
  #encoder = new TextEncoder();
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** @type {string[]} */
  #origins = [];
  /** @type {string[]} lane of each origin */
  #lanes = [];
  /** @type {Map<string, number>} */
  #originIndex = new Map();
  /** @type {number[]} row that is open, by origin */
  #open = [];
  /** @type {number[]} lines begun, by origin */
  #begun = [];
  /** @type {number[]} rows that stand in every lane's view */
  #holes = [];
  /** @type {Map<string, import("./columns.js").Column<Uint32Array>>} rows of each lane */
  #laneRows = new Map();
  #piece = { start: integers(), size: integers(), next: integers() };
  #row = {
    first: integers(),
    last: integers(),
    seq: integers(),
    at: doubles(),
    origin: integers(),
    nth: integers(),
    flags: bytes(),
  };

  /** @returns {number} how many rows there are */
  get rows() {
    return this.#row.first.length;
  }

  /**
   * A `line` or `cont` event.
   *
   * @param {{kind: string, lane: string, origin: string | null, at: number, seq: number, data: any}} event
   */
  add({ kind, lane, origin, at, seq, data }) {
    const text = typeof data === "string" ? data : data.text;
    let flags = 0;
    if (typeof data !== "string") for (const flag of data.flags ?? []) flags |= WIRE_FLAGS[flag] ?? 0;
    const from = this.#originOf(origin ?? lane, lane);
    let row = this.#open[from];
    if (row === NONE) {
      this.#begun[from] += 1;
      row = this.#newRow({ from, lane, at, seq, nth: this.#begun[from], flags });
      this.#append(row, text);
    } else {
      this.#row.flags.set(row, this.#row.flags.at(row) | flags);
      this.#append(row, text);
      this.onGrown(row);
    }
    const complete = kind === "line";
    this.#open[from] = complete ? NONE : row;
    this.#setFlag(row, FLAG.open, !complete);
    if (complete) this.lineCount += 1;
  }

  /**
   * A remark of our own among the lines.
   *
   * @param {{lane: string, origin: string, at: number, seq: number, text: string, alarm: boolean}} note
   */
  note({ lane, origin, at, seq, text, alarm }) {
    const from = this.#originOf(origin, lane);
    this.#append(
      this.#newRow({ from, lane, at, seq, nth: 0, flags: FLAG.note | (alarm ? FLAG.alarm : 0) }),
      text,
    );
  }

  /**
   * Events are missing here, of whatever lane: a note that each view shows. A line that was open stays unfinished.
   *
   * @param {{at: number, seq: number, text: string}} hole
   */
  hole({ at, seq, text }) {
    this.#open.fill(NONE);
    const row = this.rows;
    this.note({ lane: "", origin: "", at, seq, text, alarm: false });
    for (const rows of this.#laneRows.values()) if (rows.at(rows.length - 1) !== row) rows.push(row);
    this.#holes.push(row);
  }

  /** @param {number} id @returns {Row} */
  row(id) {
    const row = this.#row;
    const origin = row.origin.at(id);
    return {
      id,
      seq: row.seq.at(id),
      at: row.at.at(id),
      origin: this.#origins[origin],
      lane: this.#lanes[origin],
      nth: row.nth.at(id),
      flags: row.flags.at(id),
      version: row.last.at(id) * 64 + row.flags.at(id),
    };
  }

  /** @param {number} id */
  flags(id) {
    return this.#row.flags.at(id);
  }

  /** The row's text as it came, pieces joined. @param {number} id */
  text(id) {
    const first = this.#row.first.at(id);
    if (first === this.#row.last.at(id)) return this.#decoder.decode(this.#bytesOf(first));
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let text = "";
    for (let piece = first; piece !== NONE; piece = this.#piece.next.at(piece)) {
      text += decoder.decode(this.#bytesOf(piece), { stream: true });
    }
    return text + decoder.decode();
  }

  /** @param {number} piece */
  #bytesOf(piece) {
    const at = this.#piece.start.at(piece);
    const start = at % CHUNK_BYTES;
    return this.#chunks[Math.floor(at / CHUNK_BYTES)].subarray(start, start + this.#piece.size.at(piece));
  }

  /**
   * The rows of one lane, or of all.
   *
   * @param {string | null} lane
   * @returns {{readonly length: number, at: (i: number) => number, indexOf: (row: number) => number}}
   *   `at`: row number of the i-th; `indexOf`: where that row or the next one stands
   */
  view(lane) {
    const store = this;
    if (lane === null) {
      return {
        get length() {
          return store.rows;
        },
        at: (i) => i,
        indexOf: (row) => Math.min(row, store.rows),
      };
    }
    const rows = this.#rowsOf(lane);
    return {
      get length() {
        return rows.length;
      },
      at: (i) => rows.at(i),
      indexOf: (row) => rows.lowerBound(row),
    };
  }

  /** Origins that wrote anything, in order of appearance. @returns {string[]} */
  get origins() {
    return this.#origins.filter((_, i) => this.#begun[i] > 0);
  }

  /**
   * What one origin wrote.
   *
   * @param {string} origin
   * @returns {{lines: string[], tail: string}} complete lines, and the unfinished one ("" if none)
   */
  texts(origin) {
    /** @type {string[]} */
    const lines = [];
    let tail = "";
    const index = this.#originIndex.get(origin);
    if (index === undefined) return { lines, tail };
    const rows = this.#rowsOf(this.#lanes[index]);
    for (let i = 0; i < rows.length; i += 1) {
      const id = rows.at(i);
      const flags = this.#row.flags.at(id);
      if (this.#row.origin.at(id) !== index || flags & FLAG.note) continue;
      if (flags & FLAG.open) tail = this.text(id);
      else lines.push(this.text(id));
    }
    return { lines, tail };
  }

  /**
   * The account of what was applied, by origin, to compare with the journals on the hosts.
   *
   * @returns {Promise<Record<string, {count: number, tail: string, sha256: string | null}>>} sha256 over each
   *   complete line and "\n", then the tail; null where the browser has no crypto (plain HTTP from elsewhere)
   */
  async applied() {
    /** @type {Record<string, {count: number, tail: string, sha256: string | null}>} */
    const account = {};
    for (const origin of this.origins) {
      const { lines, tail } = this.texts(origin);
      const whole = this.#encoder.encode(lines.map((line) => `${line}\n`).join("") + tail);
      account[origin] = { count: lines.length, tail, sha256: await sha256(whole) };
    }
    return account;
  }

  /** @param {string} origin @param {string} lane */
  #originOf(origin, lane) {
    let index = this.#originIndex.get(origin);
    if (index === undefined) {
      index = this.#origins.push(origin) - 1;
      this.#lanes.push(lane);
      this.#open.push(NONE);
      this.#begun.push(0);
      this.#originIndex.set(origin, index);
    }
    return index;
  }

  /** @param {string} lane */
  #rowsOf(lane) {
    let rows = this.#laneRows.get(lane);
    if (!rows) {
      this.#laneRows.set(lane, (rows = integers()));
      for (const hole of this.#holes) rows.push(hole);
    }
    return rows;
  }

  /** @param {{from: number, lane: string, at: number, seq: number, nth: number, flags: number}} row */
  #newRow({ from, lane, at, seq, nth, flags }) {
    const columns = this.#row;
    columns.last.push(NONE);
    columns.seq.push(seq);
    columns.at.push(at);
    columns.origin.push(from);
    columns.nth.push(nth);
    columns.flags.push(flags);
    const id = columns.first.push(NONE);
    this.#rowsOf(lane).push(id);
    return id;
  }

  /** @param {number} row @param {string} text */
  #append(row, text) {
    // Surely fits, as nearly always: straight into the chunk.
    if (this.#used + text.length * 3 < CHUNK_BYTES) {
      const chunk = this.#chunks.length - 1;
      const { written } = this.#encoder.encodeInto(text, this.#chunks[chunk].subarray(this.#used));
      this.#link(row, chunk * CHUNK_BYTES + this.#used, written);
      this.#used += written;
      return;
    }
    const encoded = this.#encoder.encode(text);
    let from = 0;
    do {
      if (this.#used === CHUNK_BYTES) {
        this.#chunks.push(new Uint8Array(CHUNK_BYTES));
        this.#used = 0;
      }
      const part = encoded.subarray(from, from + CHUNK_BYTES - this.#used);
      const chunk = this.#chunks.length - 1;
      this.#chunks[chunk].set(part, this.#used);
      this.#link(row, chunk * CHUNK_BYTES + this.#used, part.length);
      this.#used += part.length;
      from += part.length;
    } while (from < encoded.length);
  }

  /** @param {number} row @param {number} start @param {number} size */
  #link(row, start, size) {
    const piece = this.#piece.start.push(start);
    this.#piece.size.push(size);
    this.#piece.next.push(NONE);
    const last = this.#row.last.at(row);
    if (last === NONE) this.#row.first.set(row, piece);
    else this.#piece.next.set(last, piece);
    this.#row.last.set(row, piece);
  }

  /** @param {number} row @param {number} flag @param {boolean} on */
  #setFlag(row, flag, on) {
    const flags = this.#row.flags.at(row);
    this.#row.flags.set(row, on ? flags | flag : flags & ~flag);
  }
}

/** @param {Uint8Array<ArrayBuffer>} data */
async function sha256(data) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
