// @ts-check
/**
 * Which way to take: the socket, the event stream or the long poll (docs/protocol.md, section 10). Pure: what
 * happened is told to it, and it asks nobody.
 *
 * It begins with the socket, goes one step down where a way proves not to let a conversation through, and comes
 * back up only by a socket that was welcomed beside the fallback. A server that cannot be reached at all proves
 * nothing: the socket counts as shut only by failures while HTTP gets through, the stream only by an answer that is
 * not a stream, or by one that was taken and then held back or cut.
 */

/** @typedef {"socket" | "stream" | "poll"} Transport */

/** A way that fails so often in a row is shut; once may be a restart of the server. */
const FAILURES = 2;

export class TransportChoice {
  /** @type {Transport} */
  now = "socket";
  #failures = 0;
  /** Whether a page could be had over HTTP since the socket last worked. */
  #reachable = false;
  /** Whether a stream ever came through. */
  #streamed = false;

  /** Something came after a greeting: this way is open. */
  held() {
    this.#failures = 0;
    if (this.now === "socket") this.#reachable = false;
    if (this.now === "stream") this.#streamed = true;
  }

  /** @param {boolean} yes what a page asked for over HTTP came to, after a socket failed */
  reached(yes) {
    this.#reachable = yes;
  }

  /**
   * A try ended before anything came after a greeting.
   *
   * @param {{welcomed: boolean, unfit?: boolean}} end `unfit`: what came was none of ours, or no greeting came in time
   * @returns {boolean} whether the choice is another one now
   */
  failed({ welcomed, unfit = false }) {
    if (this.now === "socket") {
      this.#failures += 1;
      return this.#failures >= FAILURES && this.#reachable && this.#take("stream");
    }
    if (!welcomed && !unfit) return false;
    // A stream that came through before is not given up for one that was late.
    this.#failures += unfit && !this.#streamed ? FAILURES : 1;
    return this.#failures >= FAILURES && this.#take(this.now === "stream" ? "poll" : "socket");
  }

  /** A socket was welcomed beside the fallback. If it is cut at once, that one failure is enough to go back. */
  comeBack() {
    this.#take("socket");
    this.#failures = FAILURES - 1;
    this.#reachable = true;
  }

  /** @param {Transport} transport */
  #take(transport) {
    this.now = transport;
    this.#failures = 0;
    this.#reachable = false;
    return true;
  }
}
