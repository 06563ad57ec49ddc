// @ts-check
/**
 * A socket that is tried beside a running fallback, now and then, until one is welcomed.
 *
 * Promise: nothing is asked on it before it is welcomed, and then it is handed over; so a trial that fails has
 * touched no subscription.
 */

/**
 * @typedef {object} TrialOwner
 * @property {(owner: {onWelcome: (welcome: any) => void, onEnd: Ended}) => import("./connection.js").Connection} open
 * @property {(socket: import("./connection.js").Connection, welcome: any) => void} welcomed it is the owner's now
 * @property {Ended} ended a socket that was handed over has ended
 * @property {() => void} changed `at` is another
 *
 * @typedef {(code: number, detail: import("./connection.js").EndDetail) => void} Ended
 */

export class SocketTrial {
  /** When the next one is due, Unix time in ms; 0 = one is under way, or none is wanted. */
  at = 0;

  #owner;
  #times;
  #failures = 0;
  /** @type {import("./connection.js").Connection | null} */
  #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {{socketAgainMs: number, socketAgainMostMs: number}} times
   * @param {TrialOwner} owner
   */
  constructor(times, owner) {
    this.#times = times;
    this.#owner = owner;
  }

  /** See to it that there will be one. */
  plan() {
    if (this.#socket || this.at > 0) return;
    const { socketAgainMs, socketAgainMostMs } = this.#times;
    const pause = Math.min(socketAgainMs * 2 ** Math.min(this.#failures, 20), socketAgainMostMs);
    this.at = Date.now() + pause;
    this.#timer = setTimeout(() => this.begin(), pause);
  }

  /** Do not wait for the next one. */
  begin() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    this.at = 0;
    const socket = this.#owner.open({
      onWelcome: (welcome) => {
        this.#socket = null;
        this.#failures += 1; // until it has lasted, it counts as one more
        this.#owner.welcomed(socket, welcome);
      },
      onEnd: (code, detail) => (this.#socket === socket ? this.#failed() : this.#owner.ended(code, detail)),
    });
    this.#socket = socket;
    this.#owner.changed();
  }

  /** Want no more of them. */
  stop() {
    clearTimeout(this.#timer);
    this.at = 0;
    this.#socket?.dispose();
    this.#socket = null;
  }

  /** A socket lasted: the pauses begin anew. */
  reset() {
    this.#failures = 0;
  }

  #failed() {
    this.#socket = null;
    this.#failures += 1;
    this.plan();
    this.#owner.changed();
  }
}
