// @ts-check
/**
 * <rollout-verbs>: pause, resume, cancel, accept, retry. A button posts and says "sending…"; what it came to is shown by
 * the events, never guessed here.
 */

import { gettext, interpolate, ngettext, number } from "../i18n.js";
import { attribute, make, say } from "../dom.js";
import { accepted, confirmed } from "./dialogs.js";
import { isUnconfirmed, possibleVerbs, shownState, wasCutOff } from "./state.js";

/** @typedef {import("./state.js").RolloutModel} RolloutModel */
/** @typedef {"pause" | "resume" | "cancel" | "accept" | "retry"} Verb */

/** @type {Verb[]} */
const VERBS = ["pause", "resume", "retry", "cancel", "accept"];
/** A request that got no answer for so many ms is over. */
const DEADLINE_MS = 20000;

/** @param {Verb} verb @param {RolloutModel | null} model */
function label(verb, model) {
  switch (verb) {
    case "pause":
      return gettext("Pause");
    case "resume":
      return gettext("Resume");
    case "cancel":
      return model?.rollout.wanted === "cancel" ? gettext("Cancel again") : gettext("Cancel rollout");
    case "accept":
      return gettext("Accept…");
    case "retry":
      return gettext("Retry");
  }
}

export class RolloutVerbs extends HTMLElement {
  /** @type {Map<Verb, HTMLButtonElement>} */
  #buttons = new Map();
  /** @type {Verb | null} */
  #sending = null;
  /** @type {RolloutModel | null} */
  #model = null;
  #message = make("p.rv-message");
  #cure = make("p.rv-cure");
  #error = make("div.rv-error", { role: "alert", hidden: true });

  connectedCallback() {
    if (this.#buttons.size > 0) return;
    for (const verb of VERBS) {
      const button = /** @type {HTMLButtonElement} */ (
        make("button.rv-verb", { type: "button", "data-verb": verb, hidden: true }, label(verb, null))
      );
      button.addEventListener("click", () => void this.#press(verb));
      this.#buttons.set(verb, button);
    }
    const dismiss = make("button.rv-dismiss", { type: "button" }, gettext("Dismiss"));
    dismiss.addEventListener("click", () => {
      this.#error.hidden = true;
    });
    this.#error.append(this.#message, this.#cure, dismiss);
    this.replaceChildren(...this.#buttons.values(), this.#error);
  }

  /** @param {RolloutModel} model */
  update(model) {
    this.#model = model;
    const possible = possibleVerbs(model);
    for (const [verb, button] of this.#buttons) {
      button.hidden = !possible[verb] && this.#sending !== verb;
      button.disabled = this.#sending !== null;
      button.classList.toggle("is-sending", this.#sending === verb);
      attribute(button, "aria-busy", this.#sending === verb);
      say(button, this.#sending === verb ? gettext("sending…") : label(verb, model));
    }
  }

  /** @param {Verb} verb */
  async #press(verb) {
    const model = this.#model;
    if (!model || this.#sending) return;
    const body = await this.#asked(verb, model);
    if (!body) return;
    this.#sending = verb;
    this.#error.hidden = true;
    this.update(model);
    const problem = await this.#post(verb, body);
    this.#sending = null;
    if (problem) this.#show(problem);
    this.update(model);
  }

  /**
   * What to send, once the person has said yes where a question is asked; null = they went back.
   *
   * @param {Verb} verb
   * @param {RolloutModel} model
   * @returns {Promise<object | null>}
   */
  async #asked(verb, model) {
    if (verb === "accept") return accepted(model.targets.filter(isUnconfirmed).map(({ name }) => name));
    const question = questionFor(verb, model);
    return !question || (await confirmed(question)) ? {} : null;
  }

  /**
   * @param {Verb} verb
   * @param {object} body
   * @returns {Promise<{message: string, cure: string} | null>} null = done
   */
  async #post(verb, body) {
    const url = this.getAttribute(`data-${verb}-url`) ?? "";
    try {
      const answer = await fetch(url, {
        method: "POST",
        credentials: "same-origin",
        headers: {
          "Content-Type": "application/json",
          Accept: "application/json",
          [this.getAttribute("data-csrf-header") ?? "X-CSRFToken"]: this.getAttribute("data-csrf") ?? "",
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      return answer.ok ? null : await problemOf(answer);
    } catch {
      return {
        message: gettext("The server did not answer."),
        cure: gettext("Look at the connection and try again."),
      };
    }
  }

  /** @param {{message: string, cure: string}} problem */
  #show({ message, cure }) {
    say(this.#message, message);
    say(this.#cure, cure);
    this.#error.hidden = false;
  }
}

/** @param {Response} answer */
async function problemOf(answer) {
  if (answer.status === 401)
    return {
      message: gettext("You are no longer signed in."),
      cure: gettext("Sign in in another tab and try again."),
    };
  if (answer.status === 403)
    return {
      message: gettext("You may not do this."),
      cure: gettext("Reload the page; if it stays so, ask for the right to operate rollouts."),
    };
  const body = await answer.json().catch(() => null);
  const problem = body?.problems?.[0];
  if (problem) return { message: String(problem.message), cure: String(problem.cure ?? "") };
  return {
    message: interpolate(gettext("The server answered %(status)s."), { status: answer.status }),
    cure: gettext("Try again."),
  };
}

/** @param {Verb} verb @param {RolloutModel} model */
function questionFor(verb, model) {
  const count = (/** @type {string} */ state) =>
    model.targets.filter((target) => shownState(target) === state).length;
  if (verb === "cancel" && model.rollout.wanted !== "cancel") {
    const n = count("running") + count("lost") + count("waiting");
    const under = ngettext(
      "%(n)s host is at work: its step is stopped on the host.",
      "%(n)s hosts are at work: their steps are stopped on the hosts.",
      n,
    );
    const pending = count("pending");
    const unbegun = ngettext(
      "%(n)s host has not begun: it is cancelled and nothing runs on it.",
      "%(n)s hosts have not begun: they are cancelled and nothing runs on them.",
      pending,
    );
    const sentences = [
      ...(n > 0 ? [interpolate(under, { n: number(n) })] : []),
      ...(pending > 0 ? [interpolate(unbegun, { n: number(pending) })] : []),
      gettext("What has ended stays as it is. A cancelled rollout cannot go on."),
    ];
    return {
      title: gettext("Cancel this rollout?"),
      text: sentences.join(" "),
      yes: gettext("Cancel rollout"),
      danger: true,
    };
  }
  if (verb === "retry") {
    const names = model.targets
      .filter((target) => ["failed", "skipped"].includes(target.state) || wasCutOff(target))
      .map((target) => target.name);
    const text = ngettext(
      "%(n)s host goes on from the step it stopped at: %(names)s",
      "%(n)s hosts go on from the step they stopped at: %(names)s",
      names.length,
    );
    return {
      title: gettext("Retry?"),
      text: interpolate(text, { n: number(names.length), names: listed(names) }),
      yes: gettext("Retry"),
      danger: false,
    };
  }
  return null;
}

/** The first few names. @param {string[]} names */
function listed(names) {
  const shown = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${shown}, …` : shown;
}

customElements.define("rollout-verbs", RolloutVerbs);
