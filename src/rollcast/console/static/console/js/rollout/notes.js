// @ts-check
/** Which events get a remark among the log lines, and its words. */

import { gettext, interpolate, timeOfDay } from "../i18n.js";
import { detailWord, evidenceWord, glyph, reasonWord, stateWord, storedWord } from "./words.js";

const ALARMS = new Set(["failed", "interrupted", "lost"]);
const STEP_SAID = new Set(["running", "succeeded", "failed", "interrupted", "cancelled"]);
const TARGET_SAID = new Set(["lost", "failed", "skipped", "cancelled"]);

/** What a person asked for. @type {Map<string, {state: string, words: () => string}>} */
const VERBS = new Map([
  ["rollout.started", { state: "running", words: () => gettext("start by %(who)s") }],
  ["rollout.paused", { state: "paused", words: () => gettext("pause by %(who)s") }],
  ["rollout.resumed", { state: "running", words: () => gettext("resume by %(who)s") }],
  ["rollout.cancelled", { state: "cancelled", words: () => gettext("cancel by %(who)s") }],
  ["rollout.accepted", { state: "cancelled", words: () => gettext("accepted as unconfirmed by %(who)s") }],
  ["rollout.retried", { state: "running", words: () => gettext("retry by %(who)s") }],
]);

/** Remembers what was said, because a row's event may come without a change of its state. */
export class Notes {
  /** @type {Map<string, string>} state that was last seen, by row */
  #seen = new Map();
  /** @type {Set<number>} targets whose last told step failed */
  #failed = new Set();
  #steps;

  /** @param {{index: number, name: string}[]} steps */
  constructor(steps) {
    this.#steps = steps;
  }

  /**
   * @param {string} kind
   * @param {any} data
   * @returns {{text: string, alarm: boolean} | null}
   */
  of(kind, data) {
    if (kind === "step.state") this.#failed[data.state === "failed" ? "add" : "delete"](data.target);
    if (
      kind === "step.state" &&
      this.#isNews(
        `${data.target}/${data.step}/${data.attempt}`,
        `${data.state} ${data.stop_evidence ?? ""}`,
      ) &&
      STEP_SAID.has(data.state)
    ) {
      const note = said(data.state, [stepName(data, this.#steps), ...stepWords(data)]);
      return { ...note, alarm: note.alarm || data.stop_evidence === "unconfirmed" };
    }
    const verb = VERBS.get(kind);
    if (verb) return said(verb.state, wishWords(verb.words(), data));
    if (kind === "target.taken_over") return said("running", [takeoverWords(data)]);
    // A target that failed because its step did: the step's remark stands one line above.
    const known = data?.state === "failed" && this.#failed.has(data.target);
    if (
      kind === "target.state" &&
      this.#isNews(`${data.target}`, data.state) &&
      TARGET_SAID.has(data.state) &&
      !known
    ) {
      return said(data.state, [
        gettext("host"),
        stateWord(data.state),
        ...(data.reason ? [reasonWord(data.reason)] : []),
        ...(data.detail ? [detailWord(data.detail)] : []),
      ]);
    }
    return null;
  }

  /** @param {string} row @param {string} state */
  #isNews(row, state) {
    const news = this.#seen.get(row) !== state;
    this.#seen.set(row, state);
    return news;
  }
}

/** @param {string} state @param {string[]} words */
function said(state, words) {
  return { text: `${glyph(state)} ${words.join(" · ")}`, alarm: ALARMS.has(state) };
}

/** @param {string} words @param {any} data @returns {string[]} */
function wishWords(words, data) {
  const who = String(data?.by ?? "").replace(/^user:/, "");
  const hosts = Array.isArray(data?.targets) ? data.targets.join(", ") : "";
  return [interpolate(words, { who }), ...(hosts ? [hosts] : []), ...(data?.reason ? [data.reason] : [])];
}

/** @param {{by: string, before: string, silent_since_ms: number}} data */
function takeoverWords({ by, before, silent_since_ms: since }) {
  const words = gettext("worker %(before)s was silent since %(time)s; %(by)s goes on where it stopped");
  return interpolate(words, { before, by, time: timeOfDay(since) });
}

/** @param {{step: number}} data @param {{index: number, name: string}[]} steps */
function stepName({ step }, steps) {
  const name = steps.find(({ index }) => index === step)?.name ?? "";
  return interpolate(gettext("step %(n)s %(name)s"), { n: step + 1, name });
}

/** @param {any} run */
function stepWords(run) {
  const { state, attempt, exit_code: code, reason, detail, stop_evidence: evidence } = run;
  const words = [stateWord(state)];
  if (state === "failed" && code) words.push(interpolate(gettext("Exit code %(code)s"), { code }));
  if (reason && !/^exit /.test(reason)) words.push(reasonWord(reason));
  if (detail) words.push(detailWord(detail));
  if (evidence) words.push(evidenceWord(evidence));
  if (run.journal_same === true) words.push(storedWord(run));
  if (attempt > 1) words.push(interpolate(gettext("Attempt %(n)s"), { n: attempt }));
  return words;
}
