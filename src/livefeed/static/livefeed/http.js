// @ts-check
/**
 * A conversation over plain HTTP, where a WebSocket does not get through: the event stream and the long poll of
 * docs/protocol.md, section 10. To its owner it is what a Connection is; which of the two it is, is an Exchange.
 *
 * What a client says on a socket stands here in the query, so a `sub` or `unsub` replaces the request that is
 * under way by one that asks for what is wanted now. There is nothing to acknowledge: acks are dropped.
 *
 * Promise: a request asks from the cursors that its subscriptions have at that moment, and nothing of an earlier
 * one is heard any more. That is why replacing it neither loses nor repeats: what was under way to the old one
 * was not applied, and is asked for again. It holds because the cursors are not kept here but read from the
 * owner when the request is made, and because every message passes `#request === mine`. Messages are taken
 * whole: half a message that a cut leaves is never parsed. As with a Connection, after `dispose()` or the
 * reported end nobody is called any more, and liveness is judged by what arrives.
 */

import { glance } from "./exchanges.js";
import { retryAfterMs } from "./retry.js";

/** The server's bound on subscriptions in one request; it answers `busy` to more on a socket, and so do we. */
const MAX_SUBSCRIPTIONS = 32;
/** The close code of a server that drains, and of a stream that has lasted as long as streams may. */
const DRAINED = 4000;
/** An answer of one of these ends it for good, with the close code that a socket would have got. @type {Record<number, number>} */
const FINAL_ANSWERS = { 400: 4500, 401: 4501, 403: 4503 };
/** The one status below 500 that means "later", and the one above that does not: WSGI cannot do this. */
const [TOO_MANY, NOT_HERE] = [429, 501];

/** @typedef {import("./exchanges.js").Exchange} Exchange */
/** @typedef {import("./exchanges.js").HttpTimes} HttpTimes */

export class HttpConnection {
  #url;
  #times;
  #owner;
  #exchange;
  /** @type {Map<number, {id: number}>} the `sub` messages that stand, by id */
  #wanted = new Map();
  /** @type {Set<number>} the ids that have been caught up */
  #caughtUp = new Set();
  /** @type {AbortController | null} the request under way */
  #request = null;
  #asking = false;
  #gone = false;
  #welcomed = false;
  #held = false;
  #greetedAt = 0;
  /** Whether an answer was demanded and nothing has come since. */
  #demanded = false;
  #drained = false;
  /** Whether the answer under way brought anything that is not said in every answer. */
  #news = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;

  /**
   * @param {string} url
   * @param {HttpTimes} times
   * @param {import("./connection.js").ConnectionOwner} owner
   * @param {Exchange} exchange
   */
  constructor(url, times, owner, exchange) {
    this.#url = url;
    this.#times = { ...times };
    this.#owner = owner;
    this.#exchange = exchange;
  }

  /** Questions are taken from the start: without one there is nothing to ask the server. */
  get ready() {
    return true;
  }

  /** Whether the server has greeted us. */
  get welcomed() {
    return this.#welcomed;
  }

  /** Whether anything came after the greeting. */
  get held() {
    return this.#held;
  }

  /** Until a question to subscribe must be answered, in ms: the request has deadlines of its own, and goes first. */
  get answerMs() {
    return this.#times.pageMs;
  }

  /** @param {any} message */
  send(message) {
    if (this.#gone) return;
    if (message.t === "sub") {
      if (this.#wanted.size >= MAX_SUBSCRIPTIONS) return this.#refuse(message.id);
      this.#wanted.set(message.id, message);
    } else if (message.t !== "unsub" || !this.#wanted.delete(message.id)) return;
    this.#caughtUp.delete(message.id);
    this.#ask();
  }

  /** After sleep, a hidden tab or a network change: ask afresh, since the way of the old answer may be gone. */
  demandAnswer() {
    if (!this.#welcomed || this.#demanded) return;
    this.#demanded = true;
    this.#caughtUp.clear();
    this.#ask();
  }

  /** The tab was hidden. */
  hide() {
    if (this.#welcomed) this.#ask();
  }

  /** Leave without a word to the owner. */
  dispose() {
    this.#gone = true;
    this.#drop();
  }

  /** Let go of the request under way: nothing of it will be heard. */
  #drop() {
    clearTimeout(this.#pause);
    this.#request?.abort();
    this.#request = null;
  }

  /** @param {number} id */
  #refuse(id) {
    queueMicrotask(() => {
      if (!this.#gone) this.#owner.onMessage({ t: "err", id, code: "busy" }, 0);
    });
  }

  /** A new request in place of the old, once for all that is said in one go. */
  #ask() {
    this.#drop();
    if (this.#asking) return;
    this.#asking = true;
    queueMicrotask(() => {
      this.#asking = false;
      if (this.#gone) return;
      if (this.#wanted.size > 0) void this.#converse();
      else this.#rest();
    });
  }

  /** Nothing is asked, so nothing is due. */
  #rest() {
    clearTimeout(this.#watchdog);
    this.#watchdog = undefined;
  }

  get #complete() {
    return this.#caughtUp.size === this.#wanted.size;
  }

  async #converse() {
    const mine = new AbortController();
    const begun = performance.now();
    const exchange = document.visibilityState === "hidden" ? glance : this.#exchange;
    this.#request = mine;
    this.#news = false;
    const messages = this.#answer(exchange, mine.signal);
    for (;;) {
      let step;
      try {
        step = await messages.next();
      } catch (error) {
        if (this.#request === mine) this.#failed(error);
        return;
      }
      if (this.#request !== mine) return;
      if (step.done) break;
      this.#demanded = false;
      this.#watch(this.#times.deadMs, "silence");
      for (const message of step.value) {
        this.#hear(message);
        if (this.#request !== mine) return;
      }
    }
    if (exchange.lasting) return this.#end(0, "the answer ended");
    const pauseMs = exchange.pauseMs(this.#times, { news: this.#news, complete: this.#complete });
    this.#drop();
    this.#rest();
    this.#pause = setTimeout(() => this.#ask(), Math.max(0, begun + pauseMs - performance.now()));
  }

  /**
   * @param {Exchange} exchange
   * @param {AbortSignal} signal
   * @returns {AsyncGenerator<any[]>}
   */
  async *#answer(exchange, signal) {
    const waitMs = exchange.waitMs(this.#times, this.#complete);
    // From the first request on until the greeting: a question that is asked again in between wins no time.
    const patienceMs = this.#demanded ? this.#times.answerMs : exchange.openMs(this.#times);
    if (this.#welcomed || this.#watchdog === undefined) this.#watch(waitMs + patienceMs, "no answer");
    const response = await fetch(this.#address(exchange.lasting ? null : waitMs), {
      credentials: "same-origin",
      cache: "no-store",
      headers: { Accept: exchange.accept },
      signal,
    });
    const kind = response.headers.get("Content-Type") ?? "";
    if (!response.ok || !kind.startsWith(exchange.accept) || !response.body) throw new Refusal(response);
    yield* exchange.read(response.body);
  }

  /** @param {number | null} waitMs */
  #address(waitMs) {
    const query = new URLSearchParams();
    for (const [id, sub] of this.#wanted)
      query.append("sub", JSON.stringify({ ...sub, ...this.#owner.cursorOf(id) }));
    if (waitMs !== null) query.set("wait", String(Math.round(waitMs / 1000)));
    return `${this.#url}?${query}`;
  }

  /** @param {any} message */
  #hear(message) {
    if (message === null || typeof message !== "object") return;
    if (message.t === "welcome") return this.#welcome(message);
    if (message.t === "bye") return this.#bye(message.code);
    if (!this.#welcomed) return;
    this.#held = true;
    switch (message.t) {
      case "drain":
        this.#drained = true;
        break;
      case "caught_up":
      case "end":
        this.#caughtUp.add(message.id);
        break;
      case "err":
      case "reset":
        this.#wanted.delete(message.id);
        this.#caughtUp.delete(message.id);
        this.#news = true;
        break;
      case "ev":
        this.#news = true;
        break;
    }
    this.#owner.onMessage(message, 0);
  }

  /** Every request is greeted; the owner hears of the first. @param {any} message */
  #welcome(message) {
    this.#greetedAt = performance.now();
    if (message.dead_s > 0) this.#times.deadMs = message.dead_s * 1000;
    this.#watch(this.#times.deadMs, "silence");
    if (this.#welcomed) return;
    this.#welcomed = true;
    this.#owner.onWelcome(message);
  }

  /** A stream that has only lasted as long as streams may is asked for again. @param {number} code */
  #bye(code) {
    const lasted = performance.now() - this.#greetedAt >= this.#times.stableMs;
    if (code === DRAINED && !this.#drained && lasted) this.#ask();
    else this.#end(code, "bye");
  }

  /** @param {unknown} error */
  #failed(error) {
    if (!(error instanceof Refusal)) return this.#end(0, "cut");
    const { status } = error;
    if (status in FINAL_ANSWERS) this.#end(FINAL_ANSWERS[status], "refused");
    else if (status === TOO_MANY || (status >= 500 && status !== NOT_HERE)) this.#end(0, "later", { afterMs: error.afterMs });
    else this.#end(0, "not what was asked for", { unfit: true });
  }

  /**
   * @param {number} ms
   * @param {string} why
   */
  #watch(ms, why) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#end(0, why, { unfit: !this.#welcomed }), ms);
  }

  /**
   * @param {number} code
   * @param {string} why
   * @param {import("./connection.js").EndDetail} [detail]
   */
  #end(code, why, detail = {}) {
    if (this.#gone) return;
    this.dispose();
    clearTimeout(this.#watchdog);
    this.#owner.onEnd(code, why, detail);
  }
}

/** An answer that is no conversation. */
class Refusal extends Error {
  /** @param {Response} response */
  constructor(response) {
    super(`status ${response.status}`);
    this.status = response.status;
    this.afterMs = retryAfterMs(response.headers.get("Retry-After"), Date.now());
  }
}
