// @ts-check
/** <connection-chip>: how fresh this page is, in one line that never lies. */

import { gettext, interpolate, ngettext, number } from "../i18n.js";
import { attribute, make, say } from "../dom.js";

/** @typedef {import("../../../livefeed/feed.js").Status} Status */

export class ConnectionChip extends HTMLElement {
  #text = make("span.cc-text");
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
    const state = status?.state ?? "connecting";
    if (this.getAttribute("data-state") !== state && status) say(this.#voice, words(status, 0));
    attribute(this, "data-state", state);
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

/** @param {Status} status @param {number} seconds until the next try */
function words({ state, behind, code }, seconds) {
  switch (state) {
    case "live":
      return gettext("live");
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
