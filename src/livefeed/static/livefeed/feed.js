// @ts-check
/**
 * The browser's end of a livefeed: one socket for many feeds, each with a cursor of its own.
 *
 *     const feed = new LiveFeed({ path: "/livefeed/", historyPath: "/livefeed/history" });
 *     const tail = feed.subscribe("rollout/42", { epoch, after });
 *     tail.addEventListener("events", (e) => e.detail.groups.forEach(apply));
 *     feed.start();
 *
 * Promise: whatever happens to the socket, each subscription goes on from its cursor (see subscription.js), and
 * "status" always says how fresh the page is. The socket is an exchangeable part: it is replaced when it closes,
 * when nothing arrives for 70 s, or when it does not answer 5 s after a wake-up; back-off is in retry.js.
 */

import { Connection } from "./connection.js";
import { fetchPage } from "./history.js";
import { DEFAULT_LIMITS, isFinal, retryDelay } from "./retry.js";
import { Subscription } from "./subscription.js";

/** All in ms; the numbers of docs/protocol.md. Tests shrink them. */
const TIMES = {
  openMs: 15000,
  deadMs: 70000,
  answerMs: 5000,
  ackMs: 250,
  aheadMs: 3000,
  pageMs: 30000,
  stableMs: 30000,
  // While catching up, "status" is told at most this often.
  statusMs: 200,
};
/** After so many handshakes in a row without a greeting, ask over HTTP whether we are still signed in: a browser does not show why a handshake failed. */
const PROBE_AFTER = 2;
/** The close code that means "not signed in". */
const SIGNED_OUT = 4501;

/**
 * @typedef {object} Status
 * @property {"connecting" | "live" | "catching_up" | "reconnecting" | "stopped"} state
 * @property {number} behind events known to be missing
 * @property {number} retryInMs until the next try; 0 while one is under way
 * @property {number} since when the state began, Unix time in ms
 * @property {number | string | null} code why it stopped: a close code, or the word of a refused subscription
 */

export class LiveFeed extends EventTarget {
  /** @type {Status} */
  status = { state: "connecting", behind: 0, retryInMs: 0, since: Date.now(), code: null };
  /** When anything last arrived, Unix time in ms; 0 = never. */
  lastMessageAt = 0;
  /** The server's clock minus ours in ms, as of the last heartbeat. */
  clockOffsetMs = 0;

  #url;
  #historyPath;
  #times;
  #random;
  #limits = DEFAULT_LIMITS;
  /** @type {Set<Subscription>} */
  #subscriptions = new Set();
  /** @type {Connection | null} */
  #connection = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #statusTimer;
  #retryAt = 0;
  #attempt = 0;
  #deafHandshakes = 0;
  #welcomedAt = 0;
  #lastId = 0;
  #running = false;
  #everWelcomed = false;
  /** @type {number | string | null} */
  #code = null;
  #toldAt = 0;
  #wake = () => this.#lookAround();

  /**
   * @param {{path?: string, historyPath?: string, times?: Partial<typeof TIMES>, random?: () => number}} [options]
   */
  constructor({
    path = "/livefeed/",
    historyPath = `${path}history`,
    times = {},
    random = Math.random,
  } = {}) {
    super();
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
    this.#url = url.href;
    this.#historyPath = historyPath;
    this.#times = { ...TIMES, ...times };
    this.#random = random;
  }

  /**
   * @param {string} key
   * @param {{epoch?: string | null, after?: number}} [cursor] the last event that is already applied
   * @returns {Subscription}
   */
  subscribe(key, { epoch = null, after = 0 } = {}) {
    const subscription = new Subscription(
      key,
      { epoch, seq: after },
      {
        historyPath: this.#historyPath,
        times: this.#times,
        random: this.#random,
        isUp: () => this.#connection?.welcomed ?? false,
        nextId: () => ++this.#lastId,
        send: (message) => this.#connection?.send(message),
        changed: () => this.#statusChanged(),
        signedOut: () => this.#halt(SIGNED_OUT),
        dropped: (gone) => this.#subscriptions.delete(gone),
      },
    );
    this.#subscriptions.add(subscription);
    if (this.#connection?.welcomed) subscription.connected();
    return subscription;
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#code = null;
    this.#attempt = 0;
    for (const type of ["online", "pageshow"]) addEventListener(type, this.#wake);
    for (const type of ["visibilitychange", "resume"]) document.addEventListener(type, this.#wake);
    this.#connect();
  }

  /** Leave the server. Subscriptions keep their cursors: `start()` goes on from there. */
  stop() {
    this.#halt(null);
  }

  /** Do not wait for the next try. */
  reconnectNow() {
    if (this.#running && !this.#connection) this.#connect();
  }

  /** @param {number | string | null} code */
  #halt(code) {
    this.#running = false;
    this.#code = code;
    for (const type of ["online", "pageshow"]) removeEventListener(type, this.#wake);
    for (const type of ["visibilitychange", "resume"]) document.removeEventListener(type, this.#wake);
    clearTimeout(this.#retryTimer);
    this.#connection?.dispose();
    this.#connection = null;
    for (const subscription of this.#subscriptions) subscription.disconnected();
    this.#statusChanged();
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryAt = 0;
    this.#connection = new Connection(this.#url, this.#times, {
      onWelcome: (welcome) => this.#welcomed(welcome),
      onMessage: (message, size) => this.#receive(message, size),
      onEnd: (code) => this.#ended(code),
    });
    this.#statusChanged();
  }

  /** @param {any} welcome */
  #welcomed(welcome) {
    this.lastMessageAt = Date.now();
    this.#welcomedAt = performance.now();
    this.#everWelcomed = true;
    this.#deafHandshakes = 0;
    this.#limits = { ...DEFAULT_LIMITS, ...welcome.retry };
    for (const subscription of this.#subscriptions) subscription.connected();
    this.#statusChanged();
  }

  /**
   * @param {any} message
   * @param {number} size
   */
  #receive(message, size) {
    this.lastMessageAt = Date.now();
    if (message.t === "hb" && message.now > 0) this.clockOffsetMs = message.now - this.lastMessageAt;
    for (const subscription of [...this.#subscriptions]) {
      if (subscription.id === 0) continue;
      if (message.id === subscription.id) subscription.receive(message, size);
      subscription.tick(message.t === "hb" ? message.heads?.[subscription.id] : undefined);
    }
  }

  /** @param {number} code */
  #ended(code) {
    const wasWelcomed = this.#connection?.welcomed ?? false;
    this.#connection = null;
    for (const subscription of this.#subscriptions) subscription.disconnected();
    if (isFinal(code)) return this.#halt(code);
    if (wasWelcomed && performance.now() - this.#welcomedAt >= this.#times.stableMs) this.#attempt = 0;
    if (!wasWelcomed && ++this.#deafHandshakes >= PROBE_AFTER) void this.#probe();
    const delay = retryDelay(this.#attempt, this.#limits, this.#random);
    this.#attempt += 1;
    this.#retryAt = performance.now() + delay;
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
    this.#statusChanged();
  }

  /** Handshakes fail without a reason: perhaps we are signed out. */
  async #probe() {
    const [subscription] = this.#subscriptions;
    if (!subscription) return;
    const query = { feed: subscription.key, ...afterOf(subscription), limit: 1 };
    const answer = await fetchPage(
      this.#historyPath,
      query,
      this.#times.answerMs,
      new AbortController().signal,
    );
    if (answer.is === "refused" && answer.code === "sign_in" && this.#running) this.#halt(SIGNED_OUT);
  }

  /** The tab became visible, the network came back, the machine woke up. */
  #lookAround() {
    if (document.visibilityState === "hidden") return;
    if (this.#connection) this.#connection.demandAnswer();
    else this.reconnectNow();
  }

  /** @returns {Pick<Status, "state" | "behind" | "retryInMs" | "code">} */
  #look() {
    let behind = 0;
    let asked = false;
    let complete = true;
    /** @type {string | null} */
    let refused = null;
    for (const subscription of this.#subscriptions) {
      if (subscription.state === "over") refused = subscription.refusal;
      else {
        behind += subscription.behind;
        asked ||= subscription.state === "asked" || subscription.state === "waiting";
        complete &&= subscription.caughtUp;
      }
    }
    const none = { behind, retryInMs: 0, code: null };
    if (!this.#running)
      return {
        ...none,
        state: this.#code === null && !this.#everWelcomed ? "connecting" : "stopped",
        code: this.#code,
      };
    if (refused && [...this.#subscriptions].every((one) => one.refusal))
      return { ...none, state: "stopped", code: refused };
    if (!this.#connection)
      return { ...none, state: "reconnecting", retryInMs: Math.max(0, this.#retryAt - performance.now()) };
    if (!this.#connection.welcomed)
      return { ...none, state: this.#attempt > 0 || this.#everWelcomed ? "reconnecting" : "connecting" };
    if (complete) return { ...none, state: "live" };
    return { ...none, state: behind > 0 || !asked ? "catching_up" : "connecting" };
  }

  #statusChanged() {
    const now = this.#look();
    const same = now.state === this.status.state && now.code === this.status.code;
    const quiet = now.behind === this.status.behind && now.retryInMs === this.status.retryInMs;
    if (same && quiet) return;
    const wait = this.#toldAt + this.#times.statusMs - performance.now();
    if (same && wait > 0) {
      this.#statusTimer ??= setTimeout(() => {
        this.#statusTimer = undefined;
        this.#statusChanged();
      }, wait);
      return;
    }
    this.#toldAt = performance.now();
    this.status = { ...now, since: same ? this.status.since : Date.now() };
    this.dispatchEvent(new CustomEvent("status", { detail: this.status }));
  }
}

/** @param {Subscription} subscription */
function afterOf({ cursor }) {
  return { epoch: cursor.epoch, after: cursor.seq };
}
