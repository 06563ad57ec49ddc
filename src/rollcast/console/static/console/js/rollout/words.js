// @ts-check
/** Words and glyphs of states and reasons on the rollout page. Colour alone never carries a state. */

import { gettext, interpolate, ngettext, number, pgettext } from "../i18n.js";

/** @type {Record<string, string>} */
const GLYPHS = {
  pending: "○",
  starting: "●",
  running: "●",
  pausing: "◐",
  paused: "◐",
  lost: "?",
  cancelling: "◌",
  succeeded: "✓",
  failed: "✕",
  cancelled: "⊘",
  skipped: "–",
  interrupted: "↯",
  waiting: "↯",
  none: "·",
};

/** @param {string} state */
export function glyph(state) {
  return GLYPHS[state] ?? "·";
}

/** The word for a state; an unknown code is shown as it is. @param {string} state */
export function stateWord(state) {
  switch (state) {
    case "pending":
      return pgettext("state", "Pending");
    case "starting":
      return pgettext("state", "Starting");
    case "running":
      return pgettext("state", "Running");
    case "pausing":
      return pgettext("state", "Pausing");
    case "paused":
      return pgettext("state", "Paused");
    case "lost":
      return pgettext("state", "Lost");
    case "cancelling":
      return pgettext("state", "Cancelling");
    case "succeeded":
      return pgettext("state", "Succeeded");
    case "failed":
      return pgettext("state", "Failed");
    case "cancelled":
      return pgettext("state", "Cancelled");
    case "skipped":
      return pgettext("state", "Skipped");
    case "interrupted":
      return pgettext("state", "Interrupted");
    case "waiting":
      return pgettext("state", "Waiting for a person");
    default:
      return state;
  }
}

/** The sentence for a reason code; an unknown one is shown as it is. @param {string} reason */
export function reasonWord(reason) {
  const exit = /^exit (\d+)$/.exec(reason);
  if (exit) return interpolate(gettext("Exit code %(code)s"), { code: exit[1] });
  switch (reason) {
    case "unreachable":
      return gettext("The host could not be reached");
    case "host_key_unknown":
      return gettext("The host showed a key that nobody has trusted yet");
    case "host_key_changed":
      return gettext("The host showed another key than the trusted one");
    case "auth_failed":
      return gettext("The host refused the user or the key");
    case "budget_exceeded":
      return gettext("The failure budget was exceeded");
    case "interrupted":
      return gettext("The step was cut off; how far it came is not known");
    case "recipe_unreadable":
      return gettext("The recipe can no longer be read; cancel and start anew");
    case "host_removed":
      return gettext("The host is no longer in the fleet");
    case "contact_lost":
      return gettext("Contact with the host was lost");
    case "hosts_skipped":
      return gettext("Hosts were left out and not retried");
    case "cancel_too_late":
      return gettext("It ended before the cancel reached it");
    case "nothing_ran":
      return gettext("The start never reached the host; nothing ran");
    case "gone":
      return gettext("The process is gone and left no result");
    case "missing":
      return gettext("The step's folder is gone from the host");
    case "unstarted":
      return gettext("The step was prepared on the host but did not begin");
    case "timeout":
      return gettext("The step ran into its timeout");
    case "output_limit":
      return gettext("The step wrote more output than is allowed");
    case "journal_differs":
      return gettext("What was received is not what the host wrote");
    case "upload":
      return gettext("The file could not be sent, or did not arrive as it should");
    case "runner":
      return gettext("The runner on the host could not do its work");
    case "remote":
      return gettext("Something went wrong on the way to the host");
    case "forced_command":
      return gettext("The host does not run our commands but another one");
    case "attached":
      return gettext("Attached: nothing can be written on this host, so a lost contact cuts the step off");
    case "attached_lost":
      return gettext("Contact was lost, and with it the attached step; how far it came is not known");
    default:
      return reason;
  }
}

/** @param {string | null} evidence */
export function evidenceWord(evidence) {
  switch (evidence) {
    case "stopped":
      return gettext("stopped on the host");
    case "already_ended":
      return gettext("had already ended on the host");
    case "unconfirmed":
      return gettext("unconfirmed: the host has not said that it stopped");
    default:
      return "";
  }
}

/**
 * Why that is not known or went wrong: a sentence of our own (`worker/stop.py`, `remote/connection.py`) in the reader's
 * language, what a host or a program said as it is.
 *
 * @param {string} detail
 */
export function detailWord(detail) {
  if (detail === "the host cannot tell which processes are the step's")
    return gettext("the host cannot tell which processes are the step's");
  if (detail === "the step's folder is gone from the host: nobody can tell which processes are its own")
    return gettext("the step's folder is gone from the host: nobody can tell which processes are its own");
  const silent = /^(\S+): no answer to \S+ within ([\d.]+) s$/.exec(detail);
  if (silent) {
    const [, host, seconds] = silent;
    return interpolate(gettext("%(host)s: no answer within %(seconds)s s"), { host, seconds });
  }
  const left = /^still alive after KILL: process ([\d, ]+)(?:; we may not signal ([\d, ]+): another user's)?$/;
  const alive = left.exec(detail);
  if (!alive) return detail;
  const [, pids, refused] = alive;
  if (!refused) return interpolate(gettext("still alive after KILL: process %(pids)s"), { pids });
  const text = gettext("still alive after KILL: process %(pids)s; we may not signal %(refused)s: another user's");
  return interpolate(text, { pids, refused });
}

/** The check mark of a step all of whose output is stored. @param {{journal_bytes: number}} run */
export function storedWord({ journal_bytes: bytes }) {
  return interpolate(ngettext("%(n)s byte ✓", "%(n)s bytes ✓", bytes), { n: number(bytes) });
}

/** Who accepted that, and why; "" if nobody did. @param {{accepted_by?: string, accepted_reason?: string}} run */
export function acceptedWord({ accepted_by: by, accepted_reason: reason }) {
  if (!by) return "";
  const who = by.replace(/^user:/, "");
  return interpolate(gettext("accepted by %(who)s: %(reason)s"), { who, reason: reason ?? "" });
}
