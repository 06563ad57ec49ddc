// @ts-check
/** How fresh a page is, made of what its feed and its subscriptions know. Pure. */

/**
 * @typedef {object} Status
 * @property {"connecting" | "live" | "catching_up" | "reconnecting" | "stopped"} state
 * @property {number} behind events known to be missing
 * @property {number} retryInMs until the next try; 0 while one is under way
 * @property {number} since when the state began, Unix time in ms
 * @property {number} heardAt when anything last came from the server, Unix time in ms; 0 = never
 * @property {import("./transport.js").Transport} transport the way that is taken; other than "socket": the WebSocket
 *   does not get through, and the same comes over plain HTTP
 * @property {number} socketAt when the WebSocket is tried again beside that, Unix time in ms; 0 = now, or it is in use
 * @property {number | string | null} code why it stopped: a close code, or the word of a refused subscription
 */

/**
 * @typedef {object} Facts
 * @property {boolean} running
 * @property {boolean} tried whether there was a try before this one, or ever a greeting
 * @property {boolean} everWelcomed
 * @property {boolean} connected whether there is a connection, greeted or not
 * @property {boolean} welcomed
 * @property {number} retryInMs
 * @property {number | string | null} code
 * @property {Iterable<import("./subscription.js").Subscription>} subscriptions
 */

/**
 * @param {Facts} facts
 * @returns {Pick<Status, "state" | "behind" | "retryInMs" | "code">}
 */
export function look({ running, tried, everWelcomed, connected, welcomed, retryInMs, code, subscriptions }) {
  let behind = 0;
  let asked = false;
  let complete = true;
  /** @type {string | null} */
  let refused = null;
  for (const subscription of subscriptions) {
    if (subscription.state === "over") refused = subscription.refusal;
    else {
      behind += subscription.behind;
      asked ||= subscription.state === "asked" || subscription.state === "waiting";
      complete &&= subscription.caughtUp;
    }
  }
  const none = { behind, retryInMs: 0, code: null };
  if (!running) return { ...none, state: code === null && !everWelcomed ? "connecting" : "stopped", code };
  if (refused && [...subscriptions].every((one) => one.refusal))
    return { ...none, state: "stopped", code: refused };
  if (!connected) return { ...none, state: "reconnecting", retryInMs };
  if (!welcomed) return { ...none, state: tried ? "reconnecting" : "connecting" };
  if (complete) return { ...none, state: "live" };
  return { ...none, state: behind > 0 || !asked ? "catching_up" : "connecting" };
}
