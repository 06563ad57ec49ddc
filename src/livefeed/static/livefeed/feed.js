// @ts-check
/**
 * The browser's end of a livefeed: one connection for many feeds, each with a cursor of its own.
 *
 *     const feed = new LiveFeed({ path: "/livefeed/", historyPath: "/livefeed/history" });
 *     const tail = feed.subscribe("rollout/42", { epoch, after });
 *     tail.addEventListener("events", (e) => e.detail.groups.forEach(apply));
 *     feed.start();
 *
 * Promise: whatever happens to the connection, each subscription goes on from its cursor (see subscription.js), and
 * "status" always says how fresh the page is. The connection is an exchangeable part: it is replaced when it closes,
 * when nothing arrives for 70 s, or when it does not answer 5 s after a wake-up; back-off is in retry.js. It is a
 * socket, or a request over plain HTTP where a proxy lets no socket through; which of them, transport.js decides.
 *
 * No event is lost or doubled when one takes the place of another: subscriptions ask only on `#connection`, from the
 * cursors they have then, and what it replaces is disposed of first, after which it calls nobody any more. A socket
 * tried beside a fallback (trial.js) has been asked nothing before it becomes `#connection`.
 */

import { Connection } from "./connection.js";
import { eventStream, longPoll } from "./exchanges.js";
import { fetchPage } from "./history.js";
import { HttpConnection } from "./http.js";
import { DEFAULT_LIMITS, drainDelay, isFinal, isOurs, retryDelay } from "./retry.js";
import { look } from "./status.js";
import { Subscription } from "./subscription.js";
import { TransportChoice } from "./transport.js";
import { SocketTrial } from "./trial.js";

/** All in ms; the numbers of docs/protocol.md. Tests shrink them. */
const TIMES = {
  openMs: 15000,
  deadMs: 70000,
  answerMs: 5000,
  ackMs: 250,
  aheadMs: 3000,
  pageMs: 30000,
  stableMs: 30000,
  pollMs: 25000,
  pollPauseMs: 1000,
  glanceMs: 10000,
  // Beside a fallback the socket is tried after this long, then after twice as long each time, up to the second.
  socketAgainMs: 60000,
  socketAgainMostMs: 600000,
  // While catching up, "status" is told at most this often.
  statusMs: 200,
};
/** The close code that means "not signed in". */
const SIGNED_OUT = 4501;

/**
 * @typedef {import("./status.js").Status} Status
 * @typedef {import("./connection.js").EndDetail} EndDetail
 */

export class LiveFeed extends EventTarget {
  /** @type {Status} */
  status = {
    state: "connecting",
    behind: 0,
    retryInMs: 0,
    since: Date.now(),
    heardAt: 0,
    transport: "socket",
    socketAt: 0,
    code: null,
  };
  /** When anything last arrived, Unix time in ms; 0 = never. */
  lastMessageAt = 0;
  /** The server's clock minus ours in ms, as of the last heartbeat. */
  clockOffsetMs = 0;

  #path;
  #historyPath;
  #times;
  #random;
  #limits = DEFAULT_LIMITS;
  /** @type {Set<Subscription>} */
  #subscriptions = new Set();
  /** @type {Connection | HttpConnection | null} */
  #connection = null;
  #choice = new TransportChoice();
  #trial;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #statusTimer;
  #retryAt = 0;
  /** Before this only a person may try: the server asked for it. By the clock of `performance`. */
  #notBefore = 0;
  /** What the `drain` of this connection gave us to come back in, in ms. @type {number | null} */
  #drainMs = null;
  #attempt = 0;
  #welcomedAt = 0;
  #lastId = 0;
  #running = false;
  #everWelcomed = false;
  /** @type {number | string | null} */
  #code = null;
  #toldAt = 0;
  #wake = (/** @type {Event} */ event) => this.#lookAround(event.type === "online");

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
    this.#path = path;
    this.#historyPath = historyPath;
    this.#times = { ...TIMES, ...times };
    this.#random = random;
    this.#trial = new SocketTrial(this.#times, {
      open: (owner) => new Connection(this.#url("ws"), this.#times, this.#ownerWith(owner)),
      welcomed: (socket, welcome) => this.#adopt(socket, welcome),
      ended: (code, detail) => this.#ended(code, detail),
      changed: () => this.#statusChanged(),
    });
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
        isUp: () => this.#connection?.ready ?? false,
        answerMs: () => this.#connection?.answerMs ?? this.#times.answerMs,
        nextId: () => ++this.#lastId,
        send: (message) => this.#connection?.send(message),
        changed: () => this.#statusChanged(),
        signedOut: () => this.#halt(SIGNED_OUT),
        dropped: (gone) => this.#subscriptions.delete(gone),
      },
    );
    this.#subscriptions.add(subscription);
    if (this.#connection?.ready) subscription.connected();
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
    this.#trial.stop();
    this.#leave();
    for (const subscription of this.#subscriptions) subscription.stopped();
    this.#statusChanged();
  }

  /** Be without a connection; the cursors stay. */
  #leave() {
    clearTimeout(this.#retryTimer);
    this.#connection?.dispose();
    this.#connection = null;
    for (const subscription of this.#subscriptions) subscription.disconnected();
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryAt = 0;
    this.#take(this.#open());
    if (this.#choice.now === "socket") this.#trial.stop();
    else this.#trial.plan();
    this.#statusChanged();
  }

  #open() {
    const owner = this.#ownerWith({
      onWelcome: (welcome) => this.#welcomed(welcome),
      onEnd: (code, detail) => this.#ended(code, detail),
    });
    if (this.#choice.now === "socket") return new Connection(this.#url("ws"), this.#times, owner);
    const exchange = this.#choice.now === "stream" ? eventStream : longPoll;
    return new HttpConnection(this.#url("http"), this.#times, owner, exchange);
  }

  /** @param {"ws" | "http"} scheme */
  #url(scheme) {
    const url = new URL(this.#path, location.href);
    url.protocol = /^(https|wss):/.test(url.protocol) ? `${scheme}s:` : `${scheme}:`;
    return url.href;
  }

  /**
   * @param {{onWelcome: (welcome: any) => void, onEnd: (code: number, detail: EndDetail) => void}} own
   * @returns {import("./connection.js").ConnectionOwner}
   */
  #ownerWith({ onWelcome, onEnd }) {
    return {
      onWelcome,
      onMessage: (message, size) => this.#receive(message, size),
      onEnd: (code, _, detail) => onEnd(code, detail),
      cursorOf: (id) => {
        const one = [...this.#subscriptions].find((subscription) => subscription.id === id);
        return one && { ...afterOf(one), ...(one.closed && { ended: true }) };
      },
    };
  }

  /** @param {Connection | HttpConnection} connection */
  #take(connection) {
    this.#connection = connection;
    this.#drainMs = null;
    if (connection.ready) for (const subscription of this.#subscriptions) subscription.connected();
  }

  /**
   * The socket works again: it takes the fallback's place.
   *
   * @param {Connection} socket
   * @param {any} welcome
   */
  #adopt(socket, welcome) {
    this.#leave();
    this.#choice.comeBack();
    this.#take(socket);
    this.#welcomed(welcome);
  }

  /** @param {any} welcome */
  #welcomed(welcome) {
    this.lastMessageAt = Date.now();
    this.#welcomedAt = performance.now();
    this.#everWelcomed = true;
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
    this.#choice.held();
    if (message.t === "drain" && message.retry_ms >= 0) this.#drainMs = message.retry_ms;
    if (message.t === "hb" && message.now > 0) this.clockOffsetMs = message.now - this.lastMessageAt;
    for (const subscription of [...this.#subscriptions]) {
      if (subscription.id === 0) continue;
      if (message.id === subscription.id) subscription.receive(message, size);
      subscription.tick(message.t === "hb" ? message.heads?.[subscription.id] : undefined);
    }
  }

  /**
   * @param {number} code
   * @param {EndDetail} detail
   */
  #ended(code, { afterMs = 0, unfit }) {
    const welcomed = this.#connection?.welcomed ?? false;
    // A close code of ours came through a way that is open: a cap, say, was met on it.
    const held = (this.#connection?.held ?? false) || isOurs(code);
    this.#leave();
    if (isFinal(code)) return this.#halt(code);
    if (welcomed && performance.now() - this.#welcomedAt >= this.#times.stableMs) this.#lasted();
    const other = !held && this.#choice.failed({ welcomed, unfit });
    if (other && this.#choice.now !== "socket") return this.#connect();
    if (!held && this.#choice.now === "socket") void this.#probe();
    const delay = afterMs + this.#pauseMs();
    this.#notBefore = performance.now() + afterMs;
    this.#retryAt = performance.now() + delay;
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
    this.#statusChanged();
  }

  /** The connection that has ended was a good one. */
  #lasted() {
    this.#attempt = 0;
    if (this.#choice.now === "socket") this.#trial.reset();
  }

  /** How long to wait before the next try, in ms. */
  #pauseMs() {
    const attempt = this.#attempt++;
    if (this.#drainMs !== null) return drainDelay(this.#drainMs, this.#random);
    return retryDelay(attempt, this.#limits, this.#random);
  }

  /** Sockets fail, and a browser does not show why: perhaps we are signed out, perhaps only HTTP gets through. */
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
    if (!this.#running) return;
    if (answer.is === "refused" && answer.code === "sign_in") this.#halt(SIGNED_OUT);
    else if (!this.#connection?.held) this.#choice.reached(answer.is !== "again");
  }

  /**
   * The tab was hidden or became visible, the network came back, the machine woke up.
   *
   * @param {boolean} online the network may be another one
   */
  #lookAround(online) {
    if (document.visibilityState === "hidden") return this.#connection?.hide();
    if (online && this.#choice.now !== "socket") this.#trial.begin();
    if (this.#connection) this.#connection.demandAnswer();
    else if (performance.now() >= this.#notBefore) this.reconnectNow();
  }

  /** @returns {Omit<Status, "since" | "heardAt">} */
  #look() {
    const now = look({
      running: this.#running,
      tried: this.#attempt > 0 || this.#everWelcomed,
      everWelcomed: this.#everWelcomed,
      connected: this.#connection !== null,
      welcomed: this.#connection?.welcomed ?? false,
      retryInMs: Math.max(0, this.#retryAt - performance.now()),
      code: this.#code,
      subscriptions: this.#subscriptions,
    });
    return { ...now, transport: this.#choice.now, socketAt: this.#trial.at };
  }

  #statusChanged() {
    const now = this.#look();
    const same = alike(["state", "code", "transport", "socketAt"], now, this.status);
    const quiet = alike(["behind", "retryInMs"], now, this.status);
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
    const since = alike(["state", "code"], now, this.status) ? this.status.since : Date.now();
    this.status = { ...now, since, heardAt: this.lastMessageAt };
    this.dispatchEvent(new CustomEvent("status", { detail: this.status }));
  }
}

/** @param {Subscription} subscription */
function afterOf({ cursor }) {
  return { epoch: cursor.epoch, after: cursor.seq };
}

/**
 * @template {object} T
 * @param {(keyof T)[]} names
 * @param {T} one
 * @param {T} other
 */
function alike(names, one, other) {
  return names.every((name) => one[name] === other[name]);
}
