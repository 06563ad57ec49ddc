// @ts-check
/** What a person must know or can do about a host, in whole sentences; the account of a step's output. */

import { gettext, interpolate, ngettext, number, timeOfDay } from "../i18n.js";
import { cureOf } from "./cures.js";
import { shownState, wasCutOff } from "./state.js";
import { evidenceWord, reasonWord } from "./words.js";

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
  const evidence = target.steps.findLast((run) => run.stop_evidence)?.stop_evidence ?? "";
  switch (shownState(target)) {
    case "waiting":
      if (!wasCutOff(target)) return [reasonWord(target.reason), target.detail].filter(Boolean).join(" · ");
      return interpolate(gettext("%(step)s was cut off: retry runs it again, cancel gives it up"), { step });
    case "lost":
      return interpolate(gettext("no contact since %(time)s; nothing is decided yet, the step may still run"), {
        time: timeOfDay(target.since_ms),
      });
    case "failed":
      return [step, reasonWord(target.reason), target.detail, cureOf(target)].filter(Boolean).join(" · ");
    case "cancelling":
    case "cancelled":
      return evidence ? [step, evidenceWord(evidence), target.detail].filter(Boolean).join(" · ") : "";
    default:
      return target.reason === "cancel_too_late" ? reasonWord(target.reason) : "";
  }
}

/**
 * What the page says on top about hosts that need a person or patience.
 *
 * @param {RolloutModel} model
 * @returns {{state: string, text: string}[]}
 */
export function adviceOf(model) {
  const advice = [];
  const waiting = model.targets.filter(wasCutOff);
  const lost = model.targets.filter((target) => target.state === "lost");
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
  return advice;
}

/**
 * How much a step wrote, with a check mark when what is stored has the same count and digest as on the host. A step
 * that ended with an exit record was compared; `journal_differs` says that it was not the same.
 *
 * @param {import("./state.js").StepRun} run
 */
export function accountOf({ journal_bytes: bytes, exit_code: code, reason }) {
  if (bytes === null || code === null) return "";
  const written = ngettext("%(n)s byte of output", "%(n)s bytes of output", bytes);
  const text = interpolate(written, { n: number(bytes) });
  const same = gettext("✓ same count and digest as on the host");
  return reason === "journal_differs" ? text : `${text} ${same}`;
}
