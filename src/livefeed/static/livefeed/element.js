// @ts-check
/**
 * `<live-feed>`: a feed on a page that has no script of its own. `{% livefeed "report/7" %}` writes it.
 *
 *     <live-feed feed="report/7" path="/livefeed/" history="/livefeed/history"></live-feed>
 *
 * Attributes, read when it comes into the page: `feed`; `path` and `history`, where the server is; `epoch` and
 * `after`, a cursor to begin behind; `lane`, to show one lane only; `lines`, how many are kept on the page;
 * `every`, to show events of every kind; `label`; `words`, its texts as a JSON object.
 *
 * It shows events of the kinds `line` and `cont` as lines, and `progress` (`{"done": 3, "of": 10}`) as a bar a lane.
 * All text goes in as text, whatever stands in it.
 *
 * Events, all bubbling: "livefeed:events" {groups, prev, to}, "livefeed:caughtup", "livefeed:end", "livefeed:reset"
 * and "livefeed:error" with the detail of feed.js, "livefeed:state" {state}. A page that draws the events itself calls
 * `preventDefault()` on "livefeed:events", and draws before it returns: the cursor moves after that.
 */

import { Bars } from "./bars.js";
import { LiveFeed } from "./feed.js";
import { Lines } from "./lines.js";

/** Rows kept, where `lines` does not say otherwise. */
const LINES = 1000;
/** A feed that is not there yet is asked for again after this long, then after twice that, and so on. */
const MISSING_MS = 1000;
const MISSING_MAX_MS = 30000;
/** Why it is over, by the word of a refused subscription or by close code. @type {Record<string, string>} */
const OVER = { sign_in: "sign_in", 4501: "sign_in", forbidden: "forbidden", 4503: "forbidden" };

/** @typedef {import("./subscription.js").Subscription} Subscription */

export class LiveFeedElement extends HTMLElement {
  /** @type {LiveFeed | null} */
  #feed = null;
  /** @type {Subscription | null} */
  #tail = null;
  /** @type {Record<string, string>} */
  #words = {};
  #said = document.createElement("p");
  #pane = document.createElement("div");
  #bars = new Bars();
  #lines = new Lines(this.#pane, (word, n) => this.#say(word, n));
  #missing = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** In one word: connecting, live, catching_up, reconnecting, ended, waiting, sign_in, forbidden or stopped. */
  get state() {
    const refusal = this.#tail?.refusal;
    if (refusal === "not_found") return "waiting";
    const { state, code } = this.#feed?.status ?? { state: "connecting", code: null };
    if (refusal || state === "stopped") return OVER[refusal ?? String(code)] ?? "stopped";
    if (state === "connecting" || state === "reconnecting") return state;
    if (!this.#tail?.caughtUp) return "catching_up";
    return this.#tail.closed ? "ended" : "live";
  }

  connectedCallback() {
    if (!this.#feed) this.#build();
    // Scripts of the page come after this one: they may listen before the first event.
    whenRead(() => {
      if (!this.isConnected) return;
      // The timer that was to ask again went when it left the page.
      if (this.#tail?.refusal === "not_found") this.#subscribe();
      this.#feed?.start();
    });
  }

  /** Out of the page it is silent; back in the page it goes on from its cursor. */
  disconnectedCallback() {
    clearTimeout(this.#timer);
    this.#feed?.stop();
  }

  #build() {
    this.#words = JSON.parse(this.getAttribute("words") ?? "{}");
    const path = this.getAttribute("path") ?? "/livefeed/";
    const label = this.getAttribute("label") ?? this.#key;
    this.#lines.max = Number(this.getAttribute("lines")) || LINES;
    this.#pane.className = "live-feed-lines";
    this.#pane.tabIndex = 0;
    this.#pane.setAttribute("role", "log");
    this.#pane.setAttribute("aria-label", label);
    this.#said.className = "live-feed-state";
    this.#said.setAttribute("role", "status");
    this.replaceChildren(this.#said, this.#bars.list, this.#lines.earlier, this.#pane);
    this.#feed = new LiveFeed({ path, historyPath: this.getAttribute("history") ?? `${path}history` });
    this.#feed.addEventListener("status", () => this.#show());
    this.#subscribe();
    this.#show();
  }

  get #key() {
    return this.getAttribute("feed") ?? "";
  }

  #subscribe() {
    const cursor = this.#tail?.cursor ?? {
      epoch: this.getAttribute("epoch"),
      seq: Number(this.getAttribute("after") ?? 0),
    };
    this.#tail?.unsubscribe();
    const feed = /** @type {LiveFeed} */ (this.#feed);
    const tail = (this.#tail = feed.subscribe(this.#key, { epoch: cursor.epoch, after: cursor.seq }));
    for (const type of ["events", "caughtup", "end", "reset", "error"])
      tail.addEventListener(type, (event) => {
        const { detail } = /** @type {CustomEvent} */ (event);
        if (this.#tell(type, detail)) this.#apply(type, detail);
        this.#show();
      });
  }

  /**
   * @param {string} type
   * @param {any} detail
   */
  #apply(type, detail) {
    if (type === "events") {
      this.#missing = 0;
      const groups = this.#mine(detail.groups);
      this.#bars.apply(groups);
      this.#lines.apply(groups, this.hasAttribute("every"));
    } else if (type === "reset" && detail.reason === "pruned") {
      this.#lines.note(this.#say("pruned", detail.lost));
    } else if (type === "reset") {
      this.#bars.clear();
      this.#lines.clear();
      this.#lines.note(this.#say("anew"));
    } else if (type === "error" && detail.code === "not_found") {
      // A page may well come before the first append.
      const pause = Math.min(MISSING_MS * 2 ** this.#missing, MISSING_MAX_MS);
      this.#missing += 1;
      this.#timer = setTimeout(() => this.#subscribe(), pause);
    }
  }

  /** @param {import("./subscription.js").Group[]} groups */
  #mine(groups) {
    const lane = this.getAttribute("lane");
    return lane === null ? groups : groups.filter((group) => group[0] === lane);
  }

  #show() {
    const { state } = this;
    if (this.dataset.state === state) return;
    this.dataset.state = state;
    this.#said.textContent = this.#say(state);
    // What is fetched by the thousand is not to be read out.
    this.#pane.setAttribute("aria-live", state === "live" ? "polite" : "off");
    this.#tell("state", { state });
  }

  /**
   * @param {string} word
   * @param {number} [n]
   */
  #say(word, n = 0) {
    return (this.#words[word] ?? word.replaceAll("_", " ")).replace("{n}", String(n));
  }

  /**
   * @param {string} type
   * @param {object} detail
   * @returns {boolean} whether the element is to show it
   */
  #tell(type, detail) {
    const event = new CustomEvent(`livefeed:${type}`, { bubbles: true, cancelable: type === "events", detail });
    return this.dispatchEvent(event);
  }
}

/** @param {() => void} call once the page and its deferred scripts are read */
function whenRead(call) {
  if (document.readyState === "complete") return call();
  const once = new AbortController();
  const first = () => {
    once.abort();
    call();
  };
  document.addEventListener("DOMContentLoaded", first, { signal: once.signal });
  addEventListener("load", first, { signal: once.signal });
}

if (!customElements.get("live-feed")) customElements.define("live-feed", LiveFeedElement);
