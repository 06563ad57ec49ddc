// @ts-check
/**
 * The rollout page: snapshot and feed in, elements out.
 *
 * The page paints from the snapshot in its HTML at once and subscribes to the feed from its very first event, so
 * that the log is whole whenever the page is opened; state events that the snapshot knows already are dropped by
 * their version (state.js).
 */

import { LiveFeed } from "../../../livefeed/feed.js";
import { gettext, interpolate, ngettext, number } from "../i18n.js";
import { make, say } from "../dom.js";
import "./header.js";
import "./waves.js";
import "./matrix.js";
import "./logpane.js";
import "./chip.js";
import "./verbs.js";
import { bindKeys } from "./keys.js";
import { Notes } from "./notes.js";
import { showPane, showPanes } from "./panes.js";
import { RolloutModel, shownRolloutState } from "./state.js";
import { watchStandstill } from "./standstill.js";
import { showInTab } from "./tab.js";
import { stateWord } from "./words.js";

/** A polite voice speaks at most this often, in ms. */
const ANNOUNCE_MS = 10000;
/** Key in sessionStorage: when this tab last reloaded itself. */
const RELOADED = "rollcast.reloaded";
const RELOAD_PAUSE_MS = 60000;

/**
 * @template {Element} T
 * @param {string} selector
 * @returns {T}
 */
const find = (selector) => /** @type {T} */ (document.querySelector(selector));

class RolloutPage {
  #page = /** @type {HTMLElement} */ (find("#rollout-page"));
  #model = new RolloutModel(JSON.parse(find("#rollout-snapshot").textContent ?? ""));
  #header = /** @type {import("./header.js").RolloutHeader | null} */ (find("rollout-header"));
  #waves = /** @type {import("./waves.js").WaveStrip | null} */ (find("wave-strip"));
  #matrix = /** @type {import("./matrix.js").HostMatrix | null} */ (find("host-matrix"));
  #log = /** @type {import("./logpane.js").LogPane} */ (find("log-pane"));
  #chip = /** @type {import("./chip.js").ConnectionChip | null} */ (find("connection-chip"));
  #verbs = /** @type {import("./verbs.js").RolloutVerbs | null} */ (find("rollout-verbs"));
  #notes = new Notes(this.#model.steps);
  #announcer = make("p.visually-hidden", { id: "rollout-announcer", role: "status" });
  #announcedAt = 0;
  #whole = false;
  #frame = 0;
  #feed;

  constructor() {
    const historyPath = this.#page.dataset.historyUrl ?? "/livefeed/history";
    this.#feed = new LiveFeed({ path: historyPath.replace(/[^/]*$/, ""), historyPath });
    document.body.append(this.#announcer);
    this.#log.hostName = (lane) => this.#model.byLane.get(lane)?.name ?? "";
    const longest = Math.max(1, ...this.#model.targets.map(({ name }) => name.length));
    this.#page.style.setProperty("--host-ch", String(longest));
    showPanes(this.#page);
    this.#waves?.show(this.#model);
    this.#matrix?.show(this.#model);
    this.#draw();
    this.#listen();
    setInterval(() => this.#tick(), 1000);
    this.#tick();
  }

  start() {
    const { key, epoch } = this.#model.feed;
    const tail = this.#feed.subscribe(key, { epoch, after: 0 });
    tail.addEventListener("events", (event) => this.#apply(/** @type {CustomEvent} */ (event).detail.groups));
    for (const whole of ["caughtup", "end"]) {
      tail.addEventListener(whole, () => {
        this.#whole = true;
        this.#frame ||= requestAnimationFrame(() => this.#draw());
      });
    }
    tail.addEventListener("reset", (event) => this.#reset(/** @type {CustomEvent} */ (event).detail));
    this.#feed.start();
    watchStandstill(this.#page.dataset.statusUrl ?? "", () => !this.#model.over, (found) => {
      document.querySelector(".rollout-head > .notice")?.remove(); // as of the page's birth; from now on it is known
      this.#model.standstill = found;
      this.#draw();
    });
  }

  #listen() {
    this.#feed.addEventListener("status", () =>
      this.#chip?.show(this.#feed.status, this.#page.dataset.signInUrl ?? ""),
    );
    this.#page.addEventListener("reconnectnow", () => this.#feed.reconnectNow());
    this.#page.addEventListener("hostchosen", (event) =>
      this.#choose(/** @type {CustomEvent} */ (event).detail),
    );
    this.#page.addEventListener("allhosts", () => this.#choose(null));
    bindKeys(this.#log, () => this.#choose(null), () => showPane(this.#page, "log"));
  }

  /** @param {import("../../../livefeed/subscription.js").Group[]} groups */
  #apply(groups) {
    let newest = 0;
    for (const [lane, kind, origin, at, first, items] of groups) {
      newest = at;
      items.forEach((data, i) => this.#applyOne({ lane, kind, origin, at, seq: first + i, data }));
    }
    this.#log.appended(newest);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** @param {{lane: string, kind: string, origin: string | null, at: number, seq: number, data: any}} event */
  #applyOne(event) {
    if (event.kind === "line" || event.kind === "cont") {
      this.#log.store.add(event);
      return;
    }
    const change = this.#model.apply(event);
    if (change?.what === "target") this.#matrix?.changed(change.target);
    const note = this.#notes.of(event.kind, event.data);
    if (note) this.#log.store.note({ ...event, ...note, origin: event.origin ?? event.lane });
  }

  /** @param {{reason: string, first: number, lost: number}} detail */
  #reset({ reason, first, lost }) {
    // What was pruned before this page was painted is in its rows, but for the lines. Of what came later, states
    // are missing, too.
    const justReloaded = Date.now() - Number(sessionStorage.getItem(RELOADED) ?? 0) < RELOAD_PAUSE_MS;
    if (reason === "pruned" && (first - 1 <= this.#model.feed.head || justReloaded)) {
      const many = ngettext(
        "%(n)s older event is no longer kept",
        "%(n)s older events are no longer kept",
        lost,
      );
      this.#log.store.hole({ at: 0, seq: first - 1, text: `– ${interpolate(many, { n: number(lost) })}` });
      this.#log.appended(0);
      return;
    }
    // Another history than the one this page was painted from: only a fresh page tells the truth. Should the fresh
    // one meet the same within a minute, it stays and shows what the feed has, rather than reload for ever.
    if (justReloaded) {
      this.#notes = new Notes(this.#model.steps);
      this.#log.clear();
      return;
    }
    sessionStorage.setItem(RELOADED, String(Date.now()));
    location.reload();
  }

  /** @param {number | null} id */
  #choose(id) {
    this.#matrix?.choose(id);
    if (id !== null) showPane(this.#page, "log");
    this.#log.showLane(id === null ? null : (this.#model.byId.get(id)?.lane ?? null));
  }

  #draw() {
    this.#frame = 0;
    this.#header?.update(this.#model);
    this.#waves?.update(this.#model);
    this.#verbs?.update(this.#model);
    this.#log.setEnded(this.#model.over, this.#whole);
    showInTab(this.#model);
    this.#announce();
  }

  /** Milestones for those who do not see the screen. */
  #announce() {
    const now = performance.now();
    if (this.#announcedAt > 0 && now - this.#announcedAt < ANNOUNCE_MS && !this.#model.over) return;
    this.#announcedAt = now;
    const counts = this.#model.counts();
    const figures = {
      state: stateWord(shownRolloutState(this.#model)),
      ok: counts.succeeded ?? 0,
      failed: counts.failed ?? 0,
      total: this.#model.targets.length,
    };
    say(
      this.#announcer,
      interpolate(gettext("%(state)s: %(ok)s of %(total)s hosts succeeded, %(failed)s failed"), figures),
    );
  }

  #tick() {
    const now = Date.now() + this.#feed.clockOffsetMs;
    this.#header?.tick(this.#model, now);
    this.#log.tick(now);
    this.#chip?.tick();
  }
}

new RolloutPage().start();
