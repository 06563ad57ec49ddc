// @ts-check
/**
 * Reads the text of an event stream (`text/event-stream`), however it was cut on its way.
 *
 * Promise: an event comes out whole or not at all. It holds because data leaves `take` only at the blank line
 * that ends its event; what stands before it when the stream is cut is thrown away with the parser.
 */

/** A longer event is none of ours: the largest message of docs/protocol.md is far below it. In UTF-16 units. */
const MAX_EVENT = 4 * 1024 * 1024;

export class EventParser {
  /** The beginning of a line whose end has not come. */
  #rest = "";
  /** @type {string[]} the data lines of the event whose end has not come */
  #data = [];
  #size = 0;
  /** Whether the last line ended with a CR, so that an LF now would only complete it. */
  #afterCr = false;

  /**
   * @param {string} text what came, in pieces of any size
   * @returns {string[]} the data of each event that it completed
   */
  take(text) {
    if (text === "") return [];
    const fresh = this.#afterCr && text.startsWith("\n") ? text.slice(1) : text;
    this.#afterCr = text.endsWith("\r");
    const lines = (this.#rest + fresh).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? "";
    const events = lines.map((line) => this.#line(line)).filter((data) => data !== null);
    if (this.#size + this.#rest.length > MAX_EVENT) throw new RangeError("an event without end");
    return events;
  }

  /**
   * @param {string} line
   * @returns {string | null} the data of the event that it ends, if it ends one
   */
  #line(line) {
    if (line === "") {
      const data = this.#data.length > 0 ? this.#data.join("\n") : null;
      this.#data = [];
      this.#size = 0;
      return data;
    }
    const [, value] = /^data(?:: ?(.*))?$/s.exec(line) ?? [];
    if (value !== undefined || line === "data") {
      this.#data.push(value ?? "");
      this.#size += line.length;
    }
    return null; // a comment, or a field that only EventSource needs
  }
}
