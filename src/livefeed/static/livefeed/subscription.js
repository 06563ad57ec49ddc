// @ts-check
/**
 * One feed as one reader sees it: a cursor that only ever moves over what was handed to the listeners.
 *
 * Promise: "events" carries every event of the feed once, in order, or "reset" says first that this cannot be
 * kept. It holds because of one comparison, in `#apply`: a batch is taken only if its `prev` is our cursor, and
 * the cursor moves to its `to` in the same step. Duplicates are dropped, anything else makes us ask again from
 * the cursor. Answers are known by an id that is never used twice, so what was still under way to an earlier
 * question falls on the floor. It would break if the cursor moved before the listeners ran, or if a listener
 * did its work later: listeners of "events" must apply synchronously, because the ack follows.
 */

import { fetchPage } from "./history.js";
import { DEFAULT_LIMITS, retryDelay } from "./retry.js";

/** Half of the smallest window the server starts with (16 KiB): ack at the latest when so much is unacknowledged. */
const ACK_BYTES = 8192;
/** Go back to the socket when a history page ends this near to the head. */
const NEAR_EVENTS = 1000;

/**
 * @typedef {[lane: string, kind: string, origin: string | null, at: number, first: number, items: any[]]} Group
 * @typedef {{epoch: string | null, seq: number}} Cursor
 */

/**
 * @typedef {object} SubscriptionTimes all in ms
 * @property {number} ackMs after the first unacknowledged event
 * @property {number} aheadMs a head may stay ahead of a cursor that does not move
 * @property {number} pageMs deadline of one history page
 */

/**
 * What a subscription needs of the feed it belongs to.
 *
 * @typedef {object} Link
 * @property {string} historyPath
 * @property {SubscriptionTimes} times
 * @property {() => number} random
 * @property {() => boolean} isUp whether questions are taken
 * @property {() => number} answerMs until a question to subscribe must be answered
 * @property {() => number} nextId
 * @property {(message: object) => void} send
 * @property {() => void} changed something that the status is made of has changed
 * @property {() => void} signedOut the server no longer knows us
 * @property {(subscription: Subscription) => void} dropped unsubscribed: forget it
 */

/** Events: "events" {groups, prev, to}, "caughtup" {seq}, "end" {seq}, "reset" {reason, epoch, first, head, lost}, "error" {code}. */
export class Subscription extends EventTarget {
  /** @type {Cursor} */
  cursor;
  /** Newest seq we know of; never below the cursor. */
  head = 0;
  /** Whether the feed is closed for now and we have all of it. */
  closed = false;
  /** @type {"waiting" | "asked" | "streaming" | "paging" | "over"} */
  state = "waiting";
  /** Whether the cursor has been the head since we last asked. */
  caughtUp = false;
  /** The id of our question on this socket; 0 when none is open. */
  id = 0;
  /** Why the server refused it for good. @type {string | null} */
  refusal = null;

  #link;
  #troubles = 0;
  #unacked = 0;
  #unackedSince = 0;
  /** @type {{seq: number, since: number} | null} the cursor when a heartbeat first showed a newer head */
  #behind = null;
  #abort = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #ackTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #askTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #behindTimer;

  /**
   * @param {string} key
   * @param {Cursor} cursor
   * @param {Link} link
   */
  constructor(key, cursor, link) {
    super();
    this.key = key;
    this.cursor = cursor;
    this.head = cursor.seq;
    this.#link = link;
  }

  /** How many events are known to be missing here. */
  get behind() {
    return this.head - this.cursor.seq;
  }

  /** Stop for good. */
  unsubscribe() {
    this.#leaveSocket();
    this.#over();
    this.#link.dropped(this);
  }

  /** The socket greets: ask, unless history pages are being read (they go on by themselves). */
  connected() {
    if (this.state === "waiting") this.#ask();
  }

  /** The socket is gone; the cursor stays. */
  disconnected() {
    this.#clearTimers();
    this.id = 0;
    this.caughtUp = false;
    if (this.state === "asked" || this.state === "streaming") this.state = "waiting";
  }

  /** The feed was stopped: history pages are not read on, either. Started again, it asks from the cursor. */
  stopped() {
    this.#abort.abort();
    this.#abort = new AbortController();
    if (this.state === "paging") this.state = "waiting";
  }

  /**
   * A message with our id.
   *
   * @param {any} message
   * @param {number} size its bytes
   */
  receive(message, size) {
    switch (message.t) {
      case "subok":
        return this.#subscribed(message);
      case "ev":
        return this.#events(message, size);
      case "caught_up":
        return this.#caughtUp(message.seq);
      case "end":
        return this.#ended(message.seq);
      case "reset":
        return this.#reset(message);
      case "err":
        return this.#refused(message);
    }
  }

  /**
   * Called for each message of the socket, whoever it is for: timers are throttled in hidden tabs, messages not.
   *
   * @param {number | undefined} head as a heartbeat states it
   */
  tick(head) {
    const now = performance.now();
    if (this.#unacked > 0 && now - this.#unackedSince >= this.#link.times.ackMs) this.#ack();
    if (head !== undefined && this.state === "streaming") this.#compare(head, now);
    else if (this.#behind) this.#compare(this.head, now);
  }

  #ask() {
    this.#clearTimers();
    if (!this.#link.isUp()) {
      this.state = "waiting";
      return;
    }
    this.id = this.#link.nextId();
    this.state = "asked";
    this.caughtUp = false;
    this.#unacked = 0;
    this.#behind = null;
    this.#link.send({
      t: "sub",
      id: this.id,
      feed: this.key,
      epoch: this.cursor.epoch,
      after: this.cursor.seq,
    });
    this.#askTimer = setTimeout(() => this.#askAgain(), this.#link.answerMs());
    this.#link.changed();
  }

  /** Give the present question up and ask from the cursor: at once the first time, then with growing pauses. */
  #askAgain(atLeastMs = 0) {
    this.#leaveSocket();
    this.state = "waiting";
    const pause = this.#troubles === 0 ? 0 : retryDelay(this.#troubles, DEFAULT_LIMITS, this.#link.random);
    this.#troubles += 1;
    this.#clearTimers();
    if (pause + atLeastMs === 0) this.#ask();
    else this.#askTimer = setTimeout(() => this.#ask(), pause + atLeastMs);
    this.#link.changed();
  }

  #leaveSocket() {
    if (this.id !== 0) this.#link.send({ t: "unsub", id: this.id });
    this.id = 0;
  }

  #clearTimers() {
    clearTimeout(this.#ackTimer);
    clearTimeout(this.#askTimer);
    clearTimeout(this.#behindTimer);
    this.#ackTimer = undefined;
  }

  /** @param {any} message */
  #subscribed(message) {
    if (message.after !== this.cursor.seq) return this.#askAgain();
    clearTimeout(this.#askTimer);
    this.state = "streaming";
    this.cursor = { epoch: message.epoch, seq: this.cursor.seq };
    this.head = message.head;
    if (!message.closed) this.closed = false;
    this.#link.changed();
  }

  /**
   * @param {any} message
   * @param {number} size
   */
  #events(message, size) {
    if (this.state !== "streaming" || message.to <= this.cursor.seq) return;
    if (message.prev !== this.cursor.seq) return this.#askAgain();
    this.#apply(message);
    if (this.#unacked === 0) this.#unackedSince = performance.now();
    this.#unacked += size;
    if (this.#unacked >= ACK_BYTES) this.#ack();
    else this.#ackTimer ??= setTimeout(() => this.#ack(), this.#link.times.ackMs);
  }

  /** @param {{prev: number, to: number, g: Group[]}} batch its `prev` is our cursor */
  #apply(batch) {
    this.#troubles = 0;
    this.#behind = null;
    this.closed = false;
    this.#tell("events", { groups: batch.g, prev: batch.prev, to: batch.to });
    this.cursor = { epoch: this.cursor.epoch, seq: batch.to };
    this.head = Math.max(this.head, batch.to);
    this.#link.changed();
  }

  #ack() {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if (this.#unacked === 0 || this.id === 0) return;
    this.#unacked = 0;
    this.#link.send({ t: "ack", id: this.id, seq: this.cursor.seq });
  }

  /** @param {number} seq */
  #caughtUp(seq) {
    if (seq > this.cursor.seq) return this.#askAgain();
    if (this.caughtUp) return; // each answer to a long poll says so
    this.caughtUp = true;
    this.#tell("caughtup", { seq: this.cursor.seq });
    this.#link.changed();
  }

  /** @param {number} seq */
  #ended(seq) {
    if (seq > this.cursor.seq) return this.#askAgain();
    if (this.caughtUp && this.closed) return;
    this.caughtUp = true;
    this.closed = true;
    this.#tell("end", { seq });
    this.#link.changed();
  }

  /**
   * A head that stays ahead of a cursor that does not move: a hint was lost on the way, so ask.
   *
   * @param {number} head
   * @param {number} now
   */
  #compare(head, now) {
    this.head = Math.max(this.head, head);
    if (this.head <= this.cursor.seq) {
      this.#behind = null;
      return;
    }
    if (this.#behind?.seq !== this.cursor.seq) {
      this.#behind = { seq: this.cursor.seq, since: now };
      clearTimeout(this.#behindTimer);
      this.#behindTimer = setTimeout(() => this.tick(undefined), this.#link.times.aheadMs + 1);
    } else if (now - this.#behind.since >= this.#link.times.aheadMs) {
      this.#behind = null;
      this.#askAgain();
    }
  }

  /** @param {any} reset section 5 of docs/protocol.md */
  #reset({ reason, epoch, first, head }) {
    this.id = 0;
    this.#clearTimers();
    const known = this.cursor.epoch === null || this.cursor.epoch === epoch;
    if (reason === "too_far" && known) {
      this.cursor = { epoch, seq: this.cursor.seq };
      this.head = head;
      void this.#readPages();
      return;
    }
    const pruned = reason === "pruned" && known;
    const lost = pruned ? first - 1 - this.cursor.seq : 0;
    this.cursor = { epoch, seq: pruned ? first - 1 : 0 };
    this.head = head;
    this.#tell("reset", {
      reason: pruned ? "pruned" : reason === "ahead" ? "ahead" : "epoch",
      epoch,
      first,
      head,
      lost,
    });
    this.#askAgain();
  }

  /** @param {any} message */
  #refused({ code, retry_ms: retryMs }) {
    this.id = 0;
    if (code === "busy") return this.#askAgain(retryMs ?? DEFAULT_LIMITS.first_max_ms);
    this.#fail(code);
  }

  /** @param {string} code */
  #fail(code) {
    this.#over();
    this.refusal = code;
    this.#tell("error", { code });
    this.#link.changed();
    if (code === "sign_in") this.#link.signedOut();
  }

  #over() {
    this.#clearTimers();
    this.#abort.abort();
    this.state = "over";
  }

  /** Read pages from the cursor until near the head, then ask on the socket again. Needs no socket. */
  async #readPages() {
    const { signal } = this.#abort;
    this.state = "paging";
    this.#link.changed();
    for (let failures = 0; !signal.aborted;) {
      const query = { feed: this.key, epoch: this.cursor.epoch, after: this.cursor.seq };
      const answer = await fetchPage(this.#link.historyPath, query, this.#link.times.pageMs, signal);
      if (signal.aborted) return;
      if (answer.is === "refused") return this.#fail(answer.code);
      if (answer.is === "reset") return this.#reset(answer.reset);
      if (answer.is === "again") {
        const pause = retryDelay(failures, DEFAULT_LIMITS, this.#link.random);
        failures += 1;
        await new Promise((resolve) => setTimeout(resolve, pause));
        continue;
      }
      failures = 0;
      const { page } = answer;
      if (page.epoch !== this.cursor.epoch) return this.#reset({ ...page, reason: "epoch" });
      if (page.prev !== this.cursor.seq) break;
      this.head = page.head;
      if (page.to > page.prev) this.#apply(page);
      if (page.to === page.prev || page.head - page.to <= NEAR_EVENTS) break;
    }
    if (!signal.aborted) this.#ask();
  }

  /**
   * @param {string} type
   * @param {object} detail
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
