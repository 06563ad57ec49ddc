// @ts-check
/** Asks the server, while a rollout is under way, whether anything keeps it from going on: no worker, a full disk. */

/** So many ms between two questions. */
const ASK_MS = 5000;

/** @typedef {{message: string, cure: string, since_ms: number | null}} Standstill */

/**
 * @param {string} url
 * @param {() => boolean} wanted whether to ask now
 * @param {(found: Standstill | null) => void} tell what was answered; an answer that does not come tells nothing
 */
export function watchStandstill(url, wanted, tell) {
  const ask = async () => {
    if (!url || document.hidden || !wanted()) return;
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(ASK_MS) });
      if (!answer.ok) return;
      const { problem, since_ms } = await answer.json();
      tell(problem ? { message: problem.message, cure: problem.cure, since_ms } : null);
    } catch {
      return; // the connection's own chip says that the server does not answer
    }
  };
  setInterval(() => void ask(), ASK_MS);
  void ask();
}
