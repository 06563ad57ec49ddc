// @ts-check
/**
 * The rows of one rollout in the page: the only place that applies events to them. No DOM, no clock.
 *
 * Promise: snapshot + the events after it == a snapshot taken later. It holds because every state event carries
 * its row's version and the whole of the row's changing fields: an event is applied if its version is newer than
 * the row's, else dropped, so events may be replayed from the very first one over a fresh snapshot.
 */

/**
 * @typedef {object} StepRun
 * @property {number} step
 * @property {number} attempt
 * @property {string} state
 * @property {number | null} exit_code
 * @property {string} reason
 * @property {string} detail what a host or program said of the reason
 * @property {number | null} journal_bytes as the host counted them
 * @property {string} journal_sha256
 * @property {boolean | null} journal_same whether all of that is stored; null = not known
 * @property {string} stop_evidence
 * @property {string} accepted_by who took it on themselves that the stop is unconfirmed; "" = nobody
 * @property {string} accepted_reason
 * @property {number} version
 */

/**
 * @typedef {object} Target
 * @property {number} id
 * @property {string} lane
 * @property {string} name
 * @property {string} address
 * @property {number} wave
 * @property {string} state
 * @property {number} since_ms
 * @property {number} step_index
 * @property {string} reason
 * @property {string} detail what a host or program said of the reason
 * @property {number} version
 * @property {StepRun[]} steps by step, then attempt
 */

/** @typedef {{lane: string, kind: string, origin: string | null, at: number, data: any}} Event */
/** @typedef {{what: "rollout"} | {what: "target", target: Target} | null} Change */

/** Target states that will not change by themselves. */
const ENDS = new Set(["succeeded", "failed", "cancelled", "skipped"]);
const ROLLOUT_ENDS = new Set(["succeeded", "failed", "cancelled"]);
/** With one of these a running target waits for a person. */
const WAITING_REASONS = new Set(["interrupted", "recipe_unreadable"]);
const BY_PERSON = new Set([
  "rollout.started",
  "rollout.paused",
  "rollout.resumed",
  "rollout.cancelled",
  "rollout.accepted",
  "rollout.retried",
]);

export class RolloutModel {
  /** What a person last asked for. @type {{verb: string, by: string, at: number} | null} */
  lastWish = null;
  /** What keeps everything from going on. @type {import("./standstill.js").Standstill | null} */
  standstill = null;
  /** Uploads as far as they were told, by target id. @type {Map<number, {step: number, bytes: number, total: number}>} */
  uploads = new Map();

  /** @param {any} snapshot as in the page's `rollout-snapshot` */
  constructor(snapshot) {
    const copy = structuredClone(snapshot);
    this.feed = copy.feed;
    this.rollout = copy.rollout;
    /** @type {{index: number, name: string, kind: string}[]} */
    this.steps = copy.steps;
    /** @type {{no: number, n: number}[]} */
    this.waves = copy.waves;
    /** @type {Target[]} */
    this.targets = copy.targets;
    /** @type {Map<number, Target>} */
    this.byId = new Map(this.targets.map((target) => [target.id, target]));
    /** @type {Map<string, Target>} */
    this.byLane = new Map(this.targets.map((target) => [target.lane, target]));
  }

  /**
   * @param {Event} event
   * @returns {Change} what changed; null for an old or foreign event
   */
  apply({ lane, kind, at, data }) {
    if (kind === "rollout.state") return this.#applyRollout(at, data);
    if (BY_PERSON.has(kind)) {
      this.lastWish = { verb: kind.slice("rollout.".length), by: data.by, at };
      return { what: "rollout" };
    }
    if (kind === "upload.progress") return this.#applyUpload(lane, data);
    const target = this.byId.get(data?.target);
    if (kind === "target.state" && target) return this.#applyTarget(target, data);
    if (kind === "step.state" && target) return this.#applyStep(target, data);
    return null;
  }

  /**
   * @param {number} at
   * @param {any} data
   * @returns {Change}
   */
  #applyRollout(at, { state, wanted, version, reason }) {
    const { rollout } = this;
    if (version <= rollout.version) return null;
    Object.assign(rollout, { state, wanted, version, reason });
    if (state !== "pending") rollout.started_at_ms ??= at;
    rollout.ended_at_ms = ROLLOUT_ENDS.has(state) ? (rollout.ended_at_ms ?? at) : null;
    return { what: "rollout" };
  }

  /**
   * @param {Target} target
   * @param {any} data
   * @returns {Change}
   */
  #applyTarget(target, { state, step_index, reason, detail, version, since_ms }) {
    if (version <= target.version) return null;
    Object.assign(target, { state, step_index, reason, detail, version, since_ms });
    return { what: "target", target };
  }

  /**
   * @param {Target} target
   * @param {any} data
   * @returns {Change}
   */
  #applyStep(target, data) {
    const { target: _, ...run } = data;
    const { step, attempt, version } = run;
    const at = target.steps.findIndex(
      (one) => one.step > step || (one.step === step && one.attempt >= attempt),
    );
    const there = at < 0 ? undefined : target.steps[at];
    if (there && there.step === step && there.attempt === attempt) {
      if (version <= there.version) return null;
      target.steps[at] = run;
    } else {
      target.steps.splice(at < 0 ? target.steps.length : at, 0, run);
    }
    return { what: "target", target };
  }

  /**
   * @param {string} lane
   * @param {any} data
   * @returns {Change}
   */
  #applyUpload(lane, data) {
    const target = this.byLane.get(lane);
    if (!target || !(data?.total > 0)) return null;
    this.uploads.set(target.id, { step: data.step, bytes: data.bytes, total: data.total });
    return { what: "target", target };
  }

  get over() {
    return ROLLOUT_ENDS.has(this.rollout.state);
  }

  /** Targets by what is shown of them. @returns {Record<string, number>} */
  counts() {
    /** @type {Record<string, number>} */
    const counts = {};
    for (const target of this.targets) {
      const shown = shownState(target);
      counts[shown] = (counts[shown] ?? 0) + 1;
    }
    return counts;
  }

  /** Hosts on which a step is under way, after a pause or cancel was asked for too. */
  get busy() {
    return this.targets.filter(
      (target) =>
        target.state === "running" &&
        ["starting", "running"].includes(latestRun(target, target.step_index)?.state ?? ""),
    ).length;
  }

  /**
   * @param {number} no
   * @returns {{n: number, done: number, failed: number, state: string}}
   */
  wave(no) {
    const targets = this.targets.filter((target) => target.wave === no);
    const done = targets.filter((target) => ENDS.has(target.state)).length;
    const failed = targets.filter((target) => target.state === "failed").length;
    return { n: targets.length, done, failed, state: waveState(targets, done, failed) };
  }

  /** The same shape as the page's snapshot: what the promise above is tested with. */
  toSnapshot() {
    return structuredClone({
      feed: this.feed,
      rollout: this.rollout,
      steps: this.steps,
      waves: this.waves,
      targets: this.targets,
    });
  }
}

/**
 * @param {Target[]} targets
 * @param {number} done
 * @param {number} failed
 */
function waveState(targets, done, failed) {
  if (targets.some((target) => shownState(target) === "waiting")) return "waiting";
  for (const state of ["lost", "cancelling", "running"])
    if (targets.some((target) => target.state === state)) return state;
  if (done < targets.length) return done > 0 ? "running" : "pending";
  if (failed > 0) return "failed";
  for (const state of ["cancelled", "skipped"])
    if (targets.some((target) => target.state === state)) return state;
  return "succeeded";
}

/** "waiting" for a target that holds its place until a person decides. @param {Target} target */
export function shownState({ state, reason }) {
  return state === "running" && WAITING_REASONS.has(reason) ? "waiting" : state;
}

/** Whether it waits because its step was cut off: a retry runs the step again. @param {Target} target */
export function wasCutOff({ state, reason }) {
  return state === "running" && reason === "interrupted";
}

/** Whether its host has not confirmed that the step it cancels has stopped. @param {Target} target */
export function isUnconfirmed({ state, steps }) {
  return state === "cancelling" && steps.at(-1)?.stop_evidence === "unconfirmed";
}

/** Whether a person should look at it. @param {Target} target */
export function isProblem(target) {
  return ["failed", "lost", "waiting"].includes(shownState(target)) || isUnconfirmed(target);
}

/**
 * The newest attempt of a step on a target.
 *
 * @param {Target} target
 * @param {number} step
 * @returns {StepRun | undefined}
 */
export function latestRun(target, step) {
  return target.steps.findLast((run) => run.step === step);
}

/** The state to show: "pausing" while steps still end after a pause was asked for. @param {RolloutModel} model */
export function shownRolloutState({ rollout: { state, wanted } }) {
  return wanted === "pause" && ["pending", "running"].includes(state) ? "pausing" : state;
}

/**
 * Which verbs a person may use now; the server has the last word.
 *
 * @param {RolloutModel} model
 * @returns {Record<"pause" | "resume" | "cancel" | "accept" | "retry", boolean>}
 */
export function possibleVerbs(model) {
  const { state, wanted } = model.rollout;
  const active = !model.over && wanted !== "cancel";
  const unconfirmed = !model.over && model.targets.some(isUnconfirmed);
  const retryable = model.targets.some(
    (target) =>
      target.state === "failed" ||
      wasCutOff(target) ||
      (target.state === "skipped" && target.reason === "budget_exceeded"),
  );
  return {
    pause: active && wanted === "run",
    resume: active && wanted === "pause",
    cancel: active || unconfirmed,
    accept: unconfirmed,
    retry: retryable && wanted !== "cancel" && state !== "cancelled",
  };
}
