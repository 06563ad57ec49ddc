// @ts-check
/**
 * <log-pane>: the lines of a rollout, of all hosts or one, live.
 *
 * It follows the end until the reader scrolls up, selects or turns following off; pausing is of the view only,
 * lines keep coming and the pill counts them. `element.store` is the whole text, read-only for others.
 */

import { gettext, interpolate, ngettext, number } from "../i18n.js";
import { attribute, make, say } from "../dom.js";
import { drawRow, makeRow } from "./logrow.js";
import { FLAG, LineStore } from "./linestore.js";
import { Search } from "./search.js";
import { Viewport } from "./viewport.js";

/** Typing pauses shorter than this many ms do not start a search yet. */
const TYPING_MS = 120;

export class LogPane extends HTMLElement {
  store = new LineStore();
  /** Name of a lane's host. @type {(lane: string) => string} */
  hostName = (lane) => lane;

  /** @type {string | null} */
  #lane = null;
  #view = this.store.view(null);
  #search = new Search(this.store, () => this.#found());
  #following = true;
  /** Rows of the view when the reader left the end. */
  #leftAt = 0;
  #currentHit = -1;
  /** Place in the view of the failure that was shown last. */
  #alarmAt = -1;
  #lastLineAt = 0;
  /** The server's time as last told, Unix time in ms. */
  #now = 0;
  #ended = false;
  /** Whether all that was written so far has ever been here. */
  #whole = false;
  /** @type {Viewport | null} */
  #viewport = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  #parts = {
    title: make("span.lp-host-title"),
    all: make("button.lp-all", { type: "button", hidden: true }, gettext("All hosts")),
    follow: make("button.lp-follow", { type: "button", "aria-pressed": "true" }, gettext("Follow")),
    input: /** @type {HTMLInputElement} */ (
      make("input", {
        type: "search",
        placeholder: gettext("Search the log"),
        "aria-label": gettext("Search the log"),
        autocomplete: "off",
        spellcheck: "false",
      })
    ),
    hits: make("span.lp-hits", { role: "status" }),
    previous: make(
      "button.lp-prev",
      { type: "button", title: gettext("Previous hit"), "aria-label": gettext("Previous hit") },
      "↑",
    ),
    next: make(
      "button.lp-next",
      { type: "button", title: gettext("Next hit"), "aria-label": gettext("Next hit") },
      "↓",
    ),
    scroller: make("div.lp-scroll", {
      role: "log",
      "aria-live": "off",
      "aria-label": gettext("Log"),
      tabindex: "0",
    }),
    layer: make("div.lp-rows"),
    spacer: make("div.lp-spacer"),
    pill: make("button.lp-pill", { type: "button", hidden: true }),
    empty: make("p.lp-empty"),
    foot: make("div.lp-foot"),
  };

  connectedCallback() {
    if (this.#viewport) return;
    const { title, all, follow, input, hits, previous, next, scroller, layer, spacer, pill, empty, foot } =
      this.#parts;
    scroller.append(layer, spacer);
    const view = make("div.lp-view", {}, scroller, pill, empty);
    view.style.setProperty("position", "relative");
    const search = make("label.lp-search", {}, input);
    this.replaceChildren(
      make("div.lp-tools", { role: "toolbar" }, title, all, follow, search, hits, previous, next),
      view,
      foot,
    );
    this.#viewport = new Viewport(
      { scroller, spacer, layer },
      {
        count: () => this.#view.length,
        makeRow,
        drawRow: (row, index) => this.#drawRow(row, index),
        onMoved: (toEnd) => this.#setFollowing(toEnd),
      },
    );
    all.addEventListener("click", () => this.dispatchEvent(new CustomEvent("allhosts", { bubbles: true })));
    follow.addEventListener("click", () => this.toggleFollow());
    pill.addEventListener("click", () => this.#setFollowing(true));
    previous.addEventListener("click", () => this.nextHit(true));
    next.addEventListener("click", () => this.nextHit());
    input.addEventListener("input", () => this.#typed());
    input.addEventListener("keydown", (event) => this.#searchKey(event));
    layer.addEventListener("selectstart", () => this.#setFollowing(false));
    this.#found();
    this.#refresh();
  }

  get following() {
    return this.#following;
  }

  get lane() {
    return this.#lane;
  }

  /** Rows were added to the store. @param {number} at when the newest was stored, Unix time in ms */
  appended(at) {
    this.#lastLineAt = Math.max(this.#lastLineAt, at);
    this.#search.more();
    this.#sayFoot();
    this.#refresh();
  }

  /** Forget everything: the feed began anew. */
  clear() {
    this.store = new LineStore();
    this.#search = new Search(this.store, () => this.#found());
    this.#lastLineAt = 0;
    this.#sayFoot();
    this.showLane(this.#lane);
  }

  /** @param {string | null} lane null = all hosts */
  showLane(lane) {
    const kept =
      this.#following || this.#view.length === 0
        ? -1
        : this.#view.at(Math.min(this.#viewport?.firstIndex ?? 0, this.#view.length - 1));
    this.#lane = lane;
    this.#view = this.store.view(lane);
    this.#leftAt = this.#view.length;
    this.#alarmAt = -1;
    attribute(this, "data-one-host", lane !== null);
    this.#search.start(this.#view, this.#search.query);
    if (kept >= 0) this.#viewport?.scrollTo(this.#view.indexOf(kept));
    this.#refresh();
  }

  /**
   * What an empty pane says.
   *
   * @param {boolean} ended the rollout ended; it may go on again
   * @param {boolean} whole whether all that was written so far has been here
   */
  setEnded(ended, whole) {
    this.#ended = ended;
    this.#whole = whole;
    this.#sayFoot();
    this.#refresh();
  }

  toggleFollow() {
    this.#setFollowing(!this.#following);
  }

  focusSearch() {
    this.#parts.input.focus();
    this.#parts.input.select();
  }

  /** @returns {boolean} whether there was a search to end */
  endSearch() {
    if (this.#search.query === "" && this.#parts.input.value === "") return false;
    this.#parts.input.value = "";
    this.#runSearch();
    this.#parts.scroller.focus();
    return true;
  }

  /** Go to the next line that contains the searched text. @param {boolean} [backwards] */
  nextHit(backwards = false) {
    const { length } = this.#view;
    if (length === 0) return;
    const from =
      this.#currentHit >= 0
        ? this.#currentHit
        : this.#view.at(Math.min(this.#viewport?.firstIndex ?? 0, length - 1));
    const row = this.#search.step(from, backwards);
    if (row === null) return;
    this.#currentHit = row;
    this.#show(row);
    this.#found();
  }

  /** Go to the next note that says something failed, around the end. */
  nextAlarm() {
    const { length } = this.#view;
    const first = this.#alarmAt + 1;
    for (let i = 0; i < length; i += 1) {
      const index = (first + i) % length;
      const row = this.#view.at(index);
      if (!(this.store.flags(row) & FLAG.alarm)) continue;
      this.#alarmAt = index;
      this.#currentHit = row;
      this.#show(row);
      return;
    }
  }

  /** Once a second: how old the newest line is. @param {number} now Unix time in ms, the server's */
  tick(now) {
    this.#now = now;
    this.#sayFoot();
  }

  #sayFoot() {
    const lines = interpolate(ngettext("%(n)s line", "%(n)s lines", this.store.lineCount), {
      n: number(this.store.lineCount),
    });
    const age = Math.max(0, Math.round((this.#now - this.#lastLineAt) / 1000));
    const recent = this.#lastLineAt > 0 && !this.#ended;
    say(
      this.#parts.foot,
      recent ? `${lines} · ${interpolate(gettext("last line %(age)s ago"), { age: ageText(age) })}` : lines,
    );
  }

  /** @param {number} row */
  #show(row) {
    this.#setFollowing(false);
    this.#viewport?.reveal(this.#view.indexOf(row));
  }

  /** @param {boolean} on */
  #setFollowing(on) {
    if (!on && this.#following) this.#leftAt = this.#view.length;
    this.#following = on;
    this.#refresh();
  }

  #refresh() {
    const { title, all, follow, pill, empty } = this.#parts;
    attribute(follow, "aria-pressed", String(this.#following));
    say(title, this.#lane === null ? gettext("All hosts") : this.hostName(this.#lane));
    all.hidden = this.#lane === null;
    const fresh = this.#following ? 0 : this.#view.length - this.#leftAt;
    pill.hidden = this.#following || (fresh === 0 && (this.#viewport?.atEnd ?? true));
    say(
      pill,
      fresh > 0
        ? interpolate(ngettext("↓ %(n)s new line", "↓ %(n)s new lines", fresh), { n: number(fresh) })
        : gettext("↓ To the end"),
    );
    empty.hidden = this.#view.length > 0;
    say(empty, this.#emptyWords());
    this.#viewport?.update({ toEnd: this.#following });
  }

  #emptyWords() {
    if (!this.#ended) return gettext("Waiting for the first line.");
    return this.#whole ? gettext("No line was written.") : gettext("The log has not arrived yet.");
  }

  /** @param {HTMLElement} element @param {number} index */
  #drawRow(element, index) {
    const row = this.#view.at(index);
    drawRow(element, this.store, row, {
      index,
      host: this.hostName(this.store.row(row).lane),
      hit: this.#search.isHit(row),
      current: row === this.#currentHit,
    });
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#runSearch(), TYPING_MS);
  }

  #runSearch() {
    clearTimeout(this.#typing);
    this.#currentHit = -1;
    this.#search.start(this.#view, this.#parts.input.value);
  }

  /** @param {KeyboardEvent} event */
  #searchKey(event) {
    if (event.key === "Escape") this.endSearch();
    else if (event.key === "Enter") {
      if (this.#parts.input.value.toLowerCase() !== this.#search.query) this.#runSearch();
      this.nextHit(event.shiftKey);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #found() {
    const { hits, previous, next } = this.#parts;
    const { query, count, complete } = this.#search;
    previous.hidden = next.hidden = query === "";
    const rank = this.#search.rank(this.#currentHit);
    const n = number(count) + (complete ? "" : "…");
    if (query === "") say(hits, "");
    else if (rank > 0) say(hits, interpolate(gettext("%(rank)s of %(n)s lines"), { rank: number(rank), n }));
    else say(hits, interpolate(ngettext("%(n)s line", "%(n)s lines", count), { n }));
    this.#viewport?.update();
  }
}

/** @param {number} seconds */
function ageText(seconds) {
  if (seconds < 60) return interpolate(gettext("%(n)s s"), { n: seconds });
  if (seconds < 3600) return interpolate(gettext("%(n)s min"), { n: Math.floor(seconds / 60) });
  return interpolate(gettext("%(n)s h"), { n: Math.floor(seconds / 3600) });
}

customElements.define("log-pane", LogPane);
