// @ts-check
/**
 * One WebSocket, from `new` to its replacement. A connection is used once and never reopened.
 *
 * Promise: after `dispose()`, and after it reported its end, a connection calls nobody any more, whatever its
 * socket still does. That is what makes a zombie harmless: a socket may stay OPEN for minutes after sleep while
 * nothing gets through, so liveness is judged by what arrives, never by `readyState`, and a dead one is replaced
 * as an object, not repaired. It would break if a handler were attached without going through `#ours`.
 */

export const SUBPROTOCOL = "livefeed.v1";
const CLIENT = "feed.js/1";

/**
 * @typedef {object} ConnectionTimes all in ms
 * @property {number} openMs until `welcome` must have come
 * @property {number} deadMs without any message before the socket counts as dead (the server's `dead_s` wins)
 * @property {number} answerMs a ping after waking up must be answered (by anything) within
 */

/**
 * @typedef {object} ConnectionOwner
 * @property {(welcome: any) => void} onWelcome
 * @property {(message: any, size: number) => void} onMessage size: bytes of the message, never below the truth;
 *   0 where there is nothing to acknowledge
 * @property {(code: number, why: string, detail: EndDetail) => void} onEnd once; code 0 when no code came
 * @property {(id: number) => {epoch: string | null, after: number, ended?: true} | undefined} cursorOf what the
 *   subscription with this id has applied; `ended`: also the end
 */

/**
 * @typedef {object} EndDetail
 * @property {number} [afterMs] the server asked not to be tried before
 * @property {boolean} [unfit] this way carries no conversation: what came was none of ours, or no greeting came
 */

export class Connection {
  #socket;
  #owner;
  #times;
  #gone = false;
  #welcomed = false;
  #held = false;
  #pings = 0;
  /** Unless anything comes before. By the clock of `performance`. */
  #deadAt = Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #answer;

  /**
   * @param {string} url
   * @param {ConnectionTimes} times
   * @param {ConnectionOwner} owner
   */
  constructor(url, times, owner) {
    this.#owner = owner;
    this.#times = { ...times };
    this.#socket = new WebSocket(url, [SUBPROTOCOL]);
    this.#socket.onopen = this.#ours(() => this.send({ t: "hello", client: CLIENT }));
    this.#socket.onmessage = this.#ours((/** @type {MessageEvent} */ event) => this.#receive(event.data));
    this.#socket.onclose = this.#ours((/** @type {CloseEvent} */ event) =>
      this.#end(event.code, event.reason),
    );
    this.#watch(times.openMs, "no welcome in time");
  }

  /** Whether the server has greeted us. */
  get welcomed() {
    return this.#welcomed;
  }

  /** Whether it takes questions. */
  get ready() {
    return this.#welcomed;
  }

  /** Whether anything came after the greeting. */
  get held() {
    return this.#held;
  }

  /** Until a question to subscribe must be answered, in ms. */
  get answerMs() {
    return this.#times.answerMs;
  }

  /** @param {object} message */
  send(message) {
    if (!this.#gone && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** After sleep, a hidden tab or a network change: ask, and give the socket up unless something arrives soon. */
  demandAnswer() {
    if (!this.#welcomed || this.#answer !== undefined) return;
    this.send({ t: "ping", n: ++this.#pings });
    this.#answer = setTimeout(() => this.#end(0, "no answer to a ping"), this.#times.answerMs);
  }

  /** The tab was hidden: a socket goes on, it keeps nothing from the other tabs. */
  hide() {}

  /** Leave without a word to the owner. */
  dispose() {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#watchdog);
    clearTimeout(this.#answer);
    this.#socket.close(1000);
  }

  /**
   * @template {Event} E
   * @param {(event: E) => void} handler
   * @returns {(event: E) => void} the handler, deaf once this connection is over
   */
  #ours(handler) {
    return (event) => {
      if (!this.#gone) handler(event);
    };
  }

  /** @param {unknown} data */
  #receive(data) {
    // A browser that was stopped may meet with what is in its buffers before it meets with its timers.
    if (this.#welcomed && performance.now() > this.#deadAt) return this.#end(0, "silence");
    clearTimeout(this.#answer);
    this.#answer = undefined;
    if (this.#welcomed) this.#watch(this.#times.deadMs, "silence");
    if (typeof data !== "string") return;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      this.#end(0, "a message that is no JSON");
      return;
    }
    if (message === null || typeof message !== "object") return;
    if (message.t === "welcome") {
      this.#welcomed = true;
      if (message.dead_s > 0) this.#times.deadMs = message.dead_s * 1000;
      this.#watch(this.#times.deadMs, "silence");
      this.#owner.onWelcome(message);
    } else if (this.#welcomed) {
      this.#held = true;
      this.#owner.onMessage(message, byteCeiling(data));
    }
  }

  /**
   * @param {number} ms
   * @param {string} why
   */
  #watch(ms, why) {
    clearTimeout(this.#watchdog);
    this.#deadAt = performance.now() + ms;
    this.#watchdog = setTimeout(() => this.#end(0, why), ms);
  }

  /**
   * @param {number} code
   * @param {string} why
   */
  #end(code, why) {
    if (this.#gone) return;
    this.dispose();
    this.#owner.onEnd(code, why, {});
  }
}

/** UTF-8 needs at most 3 bytes for a UTF-16 unit; pure ASCII, the usual case, exactly 1. @param {string} text */
function byteCeiling(text) {
  return /^[\x00-\x7f]*$/.test(text) ? text.length : text.length * 3;
}
