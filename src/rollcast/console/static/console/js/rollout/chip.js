// @ts-check
/**
 * <connection-chip>: how fresh this page is, in one word that never lies; what that means, since when and what
 * happens next is its title, and opens where there is no mouse to hover.
 */

import { gettext, interpolate, ngettext, number, timeOfDay } from "../i18n.js";
import { attribute, make, say } from "../dom.js";

/** @typedef {import("../../../livefeed/feed.js").Status} Status */
/** @typedef {Status["state"] | "polling"} Shown */

const NOTE = "connection-note";

export class ConnectionChip extends HTMLElement {
  #text = /** @type {HTMLButtonElement} */ (make("button.cc-text", { type: "button", popovertarget: NOTE }));
  #note = make("div.cc-note", { id: NOTE, popover: "auto" });
  /** What a screen reader says: changes of state, not each second of a countdown. */
  #voice = make("span.cc-voice.visually-hidden", { role: "status" });
  #now = make("button.cc-now", { type: "button", hidden: true }, gettext("Now"));
  #action = /** @type {HTMLAnchorElement} */ (make("a.cc-action", { hidden: true }));
  /** @type {Status | null} */
  #status = null;
  #dueAt = 0;
  #signInUrl = "";

  connectedCallback() {
    this.replaceChildren(
      make("span.cc-dot", { "aria-hidden": "true" }),
      this.#text,
      this.#now,
      this.#action,
      this.#note,
      this.#voice,
    );
    this.#now.addEventListener("click", () =>
      this.dispatchEvent(new CustomEvent("reconnectnow", { bubbles: true })),
    );
    this.#draw();
  }

  /** @param {Status} status @param {string} signInUrl */
  show(status, signInUrl) {
    this.#status = status;
    this.#signInUrl = signInUrl;
    this.#dueAt = performance.now() + status.retryInMs;
    this.#draw();
  }

  /** Once a second: count down. */
  tick() {
    if (this.#status?.state === "reconnecting") this.#draw();
  }

  #draw() {
    const status = this.#status;
    const state = status ? shown(status) : "connecting";
    const means = status ? meaning(status) : "";
    if (this.getAttribute("data-state") !== state && status) say(this.#voice, `${words(status, 0)}. ${means}`);
    attribute(this, "data-state", state);
    attribute(this, "title", means || null);
    say(this.#note, means);
    this.#text.disabled = means === "";
    const seconds = Math.max(0, Math.ceil((this.#dueAt - performance.now()) / 1000));
    say(this.#text, status ? words(status, seconds) : gettext("connecting"));
    this.#now.hidden = state !== "reconnecting" || seconds === 0;
    this.#action.hidden = state !== "stopped";
    if (status && state === "stopped") this.#offer(status.code);
  }

  /** What helps after a stop: signing in, or a fresh page. @param {number | string | null} code */
  #offer(code) {
    const signIn = code === 4501 && this.#signInUrl !== "";
    say(this.#action, signIn ? gettext("Sign in") : gettext("Reload"));
    this.#action.href = signIn ? this.#signInUrl : location.href;
  }
}

/** Live over a fallback has a word of its own. @param {Status} status @returns {Shown} */
function shown({ state, transport }) {
  return state === "live" && transport !== "socket" ? "polling" : state;
}

/** @param {Status} status @param {number} seconds until the next try */
function words(status, seconds) {
  const { behind, code } = status;
  switch (shown(status)) {
    case "live":
      return gettext("live");
    case "polling":
      return gettext("polling");
    case "catching_up":
      return interpolate(ngettext("catching up %(n)s", "catching up %(n)s", behind), { n: number(behind) });
    case "reconnecting":
      return seconds > 0
        ? interpolate(gettext("reconnecting in %(n)s s"), { n: seconds })
        : gettext("reconnecting");
    case "stopped":
      return stopWords(code);
    default:
      return gettext("connecting");
  }
}

/** What it means, since when, and what happens next; empty where the word says it all. @param {Status} status */
function meaning(status) {
  switch (shown(status)) {
    case "live":
      return gettext("Events are shown as soon as they are stored.");
    case "polling":
      return overHttp(status);
    case "catching_up":
      return `${gettext("The page is behind and reads what is missing, in order. Nothing is left out.")}\n${from(status)}`;
    case "reconnecting":
      return outOfTouch(status);
    default:
      return "";
  }
}

/** Since when it has been so. @param {Status} status */
function from({ since }) {
  return interpolate(gettext("Like this since %(time)s."), { time: timeOfDay(since) });
}

/** @param {Status} status */
function outOfTouch(status) {
  const since = status.heardAt
    ? interpolate(gettext("Nothing has come from the server since %(time)s."), {
        time: timeOfDay(status.heardAt),
      })
    : `${gettext("The server could not be reached yet.")} ${from(status)}`;
  const next = gettext(
    "The page tries again by itself and goes on after the last event it shows. Nothing is lost.",
  );
  return `${since}\n${next}`;
}

/** @param {Status} status */
function overHttp(status) {
  const { socketAt } = status;
  const why = gettext(
    "Updates come over plain HTTP because the WebSocket does not get through; most likely a proxy blocks it. Nothing is lost.",
  );
  const next = socketAt
    ? interpolate(gettext("The WebSocket is tried again at %(time)s."), { time: timeOfDay(socketAt) })
    : gettext("The WebSocket is being tried again now.");
  return `${why}\n${from(status)} ${next}`;
}

/** @param {number | string | null} code */
function stopWords(code) {
  switch (code) {
    case 4501:
    case "sign_in":
      return gettext("stopped: not signed in");
    case 4503:
    case "forbidden":
      return gettext("stopped: no right to see this");
    case 4506:
      return gettext("stopped: the server was updated");
    case "not_found":
      return gettext("stopped: no longer there");
    case null:
      return gettext("stopped");
    default:
      return interpolate(gettext("stopped (%(code)s)"), { code });
  }
}

customElements.define("connection-chip", ConnectionChip);
