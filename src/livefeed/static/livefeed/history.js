// @ts-check
/**
 * History pages over HTTP: how a client that is far behind catches up without holding the socket.
 */

/** Events asked for in one page: the server's maximum. */
const PAGE_EVENTS = 5000;

/**
 * What a request for a page came to. `again`: try later (network, 5xx, deadline); `refused`: do not.
 *
 * @typedef {{is: "page", page: any} | {is: "reset", reset: any} | {is: "again"}
 *   | {is: "refused", code: "sign_in" | "forbidden" | "not_found" | "bad"}} PageAnswer
 */

/** @type {Record<number, "sign_in" | "forbidden" | "not_found" | "bad">} */
const REFUSALS = { 400: "bad", 401: "sign_in", 403: "forbidden", 404: "not_found" };

/**
 * @param {string} path
 * @param {{feed: string, epoch: string | null, after: number, limit?: number}} query
 * @param {number} deadlineMs for the whole answer
 * @param {AbortSignal} signal
 * @returns {Promise<PageAnswer>}
 */
export async function fetchPage(path, { feed, epoch, after, limit = PAGE_EVENTS }, deadlineMs, signal) {
  const query = new URLSearchParams({ feed, epoch: epoch ?? "", after: String(after), limit: String(limit) });
  const late = AbortSignal.timeout(deadlineMs);
  try {
    const answer = await fetch(`${path}?${query}`, {
      credentials: "same-origin",
      headers: { Accept: "application/json" },
      signal: AbortSignal.any([signal, late]),
    });
    if (answer.ok) return { is: "page", page: await answer.json() };
    if (answer.status === 409) return { is: "reset", reset: (await answer.json()).reset };
    const code = REFUSALS[answer.status];
    return code ? { is: "refused", code } : { is: "again" };
  } catch {
    return { is: "again" };
  }
}
