// @ts-check
/** What a person must know or can do about a host, in whole sentences; the account of a step's output. */

import { gettext, interpolate, ngettext, number, timeOfDay } from "../i18n.js";
import { cureOf } from "./cures.js";
import { isUnconfirmed, shownState, wasCutOff } from "./state.js";
import { acceptedWord, detailWord, evidenceWord, reasonWord } from "./words.js";

/** @typedef {import("./state.js").RolloutModel} RolloutModel */
/** @typedef {import("./state.js").Target} Target */

/**
 * The sentence that stands below a host's row; "" where its glyphs say everything.
 *
 * @param {Target} target
 * @param {{index: number, name: string}[]} steps
 */
export function remarkOf(target, steps) {
  const step = steps[target.step_index]?.name ?? "";
  const stopped = target.steps.findLast((run) => run.stop_evidence);
  switch (shownState(target)) {
    case "waiting":
      if (!wasCutOff(target)) return [reasonWord(target.reason), detailWord(target.detail)].filter(Boolean).join(" · ");
      return interpolate(gettext("%(step)s was cut off: retry runs it again, cancel gives it up"), { step });
    case "lost":
      return interpolate(gettext("no contact since %(time)s; nothing is decided yet, the step may still run"), {
        time: timeOfDay(target.since_ms),
      });
    case "failed":
      return [step, reasonWord(target.reason), detailWord(target.detail), cureOf(target)].filter(Boolean).join(" · ");
    case "cancelling":
    case "cancelled":
      return stopped ? stoppedWords(target, step, stopped).filter(Boolean).join(" · ") : "";
    default:
      return target.reason === "cancel_too_late" ? reasonWord(target.reason) : "";
  }
}

/** @param {Target} target @param {string} step @param {import("./state.js").StepRun} run */
function stoppedWords(target, step, run) {
  const cure = isUnconfirmed(target) ? cureOf({ ...target, reason: "unconfirmed" }) : "";
  return [step, evidenceWord(run.stop_evidence), detailWord(run.detail || target.detail), acceptedWord(run), cure];
}

/**
 * What the page says on top about hosts that need a person or patience.
 *
 * @param {RolloutModel} model
 * @returns {{state: string, text: string}[]}
 */
export function adviceOf(model) {
  const advice = standstillOf(model);
  const waiting = model.targets.filter(wasCutOff);
  const lost = model.targets.filter((target) => target.state === "lost");
  const unconfirmed = model.targets.filter(isUnconfirmed);
  if (waiting.length > 0) {
    const text = ngettext(
      "%(n)s host waits for a person: its step was cut off. Retry runs the step again; cancel ends the rollout.",
      "%(n)s hosts wait for a person: their step was cut off. Retry runs the step again; cancel ends the rollout.",
      waiting.length,
    );
    advice.push({ state: "waiting", text: interpolate(text, { n: number(waiting.length) }) });
  }
  if (lost.length > 0) {
    const text = ngettext(
      "%(n)s host is lost since %(time)s. Nothing is decided yet: its step may still run, and it goes on when contact is back.",
      "%(n)s hosts are lost, the first since %(time)s. Nothing is decided yet: their steps may still run, and they go on when contact is back.",
      lost.length,
    );
    const time = timeOfDay(Math.min(...lost.map((target) => target.since_ms)));
    advice.push({ state: "lost", text: interpolate(text, { n: number(lost.length), time }) });
  }
  if (unconfirmed.length > 0) {
    const text = ngettext(
      "%(n)s host has not confirmed since %(time)s that its step has stopped. It is asked again and again; cancel again asks it now, accept ends it unconfirmed.",
      "%(n)s hosts have not confirmed since %(time)s that their steps have stopped. They are asked again and again; cancel again asks them now, accept ends them unconfirmed.",
      unconfirmed.length,
    );
    const time = timeOfDay(Math.min(...unconfirmed.map((target) => target.since_ms)));
    advice.push({ state: "cancelling", text: interpolate(text, { n: number(unconfirmed.length), time }) });
  }
  return advice;
}

/** @param {RolloutModel} model @returns {{state: string, text: string}[]} */
function standstillOf({ standstill, over }) {
  if (!standstill || over) return [];
  const { message, cure, since_ms: since } = standstill;
  const from = since === null ? "" : interpolate(gettext("(since %(time)s)"), { time: timeOfDay(since) });
  return [{ state: "failed", text: [message, from, cure].filter(Boolean).join(" ") }];
}

/**
 * How much a step wrote, with a check mark when all of it is stored: the same count and digest as on the host; "" for
 * a step of which that is not known.
 *
 * @param {import("./state.js").StepRun} run
 */
export function accountOf({ journal_bytes: bytes, journal_sha256: sha256, journal_same: same }) {
  if (bytes === null || same === null) return "";
  const written = ngettext("%(n)s byte of output", "%(n)s bytes of output", bytes);
  const text = interpolate(written, { n: number(bytes) });
  const said = same ? gettext("✓ same count and digest as on the host") : gettext("✕ what is stored is not the same");
  return `${text} ${said} · sha256 ${sha256}`;
}
