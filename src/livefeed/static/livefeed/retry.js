// @ts-check
/**
 * When to try again, and which close codes forbid it. Pure: time and chance are arguments.
 *
 * Full jitter, because after a restart of the server all its clients come back at once; the first delay's
 * ceiling comes from the server, which knows how many they are.
 */

/** @typedef {{first_max_ms: number, cap_ms: number}} RetryLimits */

/** Used until the server's `welcome` says otherwise. @type {RetryLimits} */
export const DEFAULT_LIMITS = { first_max_ms: 5000, cap_ms: 30000 };

/** A server that asks for more than this is not believed: ten minutes. */
const MOST_AFTER_MS = 600000;
/** Ceiling of the second try in ms; doubled with each further one. */
const STEP_MS = 1000;

/**
 * How long to wait before try number `attempt` (0 = the first after a loss).
 *
 * @param {number} attempt
 * @param {RetryLimits} limits
 * @param {() => number} random uniform in [0, 1)
 * @returns {number} milliseconds
 */
export function retryDelay(attempt, limits, random) {
  const ceiling = attempt === 0 ? limits.first_max_ms : STEP_MS * 2 ** Math.min(attempt, 20);
  return Math.round(random() * Math.min(ceiling, limits.cap_ms));
}

/**
 * How long to wait after a `drain`: anywhere within what the server gives, since it sends all its clients away at once.
 *
 * @param {number} withinMs its `retry_ms`
 * @param {() => number} random uniform in [0, 1)
 * @returns {number} milliseconds
 */
export function drainDelay(withinMs, random) {
  return Math.round(random() * withinMs);
}

/**
 * What a `Retry-After` header asks for: seconds, or a date.
 *
 * @param {string | null} header
 * @param {number} now Unix time in ms
 * @returns {number} milliseconds; 0 where there is none that can be read
 */
export function retryAfterMs(header, now) {
  const ms = /^\d+$/.test(header ?? "") ? Number(header) * 1000 : Date.parse(header ?? "") - now;
  return Math.min(Math.max(0, ms || 0), MOST_AFTER_MS);
}

/**
 * Whether a close code is one of livefeed, which nothing but our server says.
 *
 * @param {number} code
 */
export function isOurs(code) {
  return code >= 4000 && code <= 4999;
}

/**
 * Whether a close code ends it for good. The range decides, so that codes of a later server are understood;
 * 1005 and 1006 say nothing reliable and mean "try again" like all others below 4500.
 *
 * @param {number} code
 */
export function isFinal(code) {
  return code >= 4500 && code <= 4999;
}
