// @ts-check
/** Which events get a remark among the log lines, and its words. */

import { gettext, interpolate } from "../i18n.js";
import { glyph, evidenceWord, reasonWord, stateWord } from "./words.js";

const ALARMS = new Set(["failed", "interrupted", "lost"]);
const STEP_SAID = new Set(["running", "succeeded", "failed", "interrupted", "cancelled"]);
const TARGET_SAID = new Set(["lost", "failed", "skipped", "cancelled"]);

/**
 * @param {string} kind
 * @param {any} data
 * @param {{index: number, name: string}[]} steps
 * @returns {{text: string, alarm: boolean} | null}
 */
export function noteOf(kind, data, steps) {
  if (kind === "step.state" && STEP_SAID.has(data.state)) return said(data.state, [stepName(data, steps), ...stepWords(data)]);
  if (kind === "target.state" && TARGET_SAID.has(data.state)) return said(data.state, [gettext("host"), stateWord(data.state), ...(data.reason ? [reasonWord(data.reason)] : [])]);
  return null;
}

/** @param {string} state @param {string[]} words */
function said(state, words) {
  return { text: `${glyph(state)} ${words.join(" · ")}`, alarm: ALARMS.has(state) };
}

/** @param {{step: number}} data @param {{index: number, name: string}[]} steps */
function stepName({ step }, steps) {
  const name = steps.find(({ index }) => index === step)?.name ?? "";
  return interpolate(gettext("step %(n)s %(name)s"), { n: step + 1, name });
}

/** @param {any} data */
function stepWords({ state, attempt, exit_code: code, reason, stop_evidence: evidence }) {
  const words = [stateWord(state)];
  if (state === "failed" && code) words.push(interpolate(gettext("Exit code %(code)s"), { code }));
  if (reason && !/^exit /.test(reason)) words.push(reasonWord(reason));
  if (state === "cancelled" && evidence) words.push(evidenceWord(evidence));
  if (attempt > 1) words.push(interpolate(gettext("Attempt %(n)s"), { n: attempt }));
  return words;
}
