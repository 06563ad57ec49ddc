// @ts-check
/**
 * How an HTTP answer carries a conversation: as an event stream that lasts, or as the one answer of a long poll.
 */

import { EventParser } from "./sse.js";

/**
 * How the answer to a request is read.
 *
 * @typedef {object} Exchange
 * @property {string} accept the media type asked for
 * @property {boolean} lasting whether the end of an answer is the end of the conversation
 * @property {(times: HttpTimes, complete: boolean) => number} waitMs how long the server may wait for news before
 *   it answers; `complete`: all subscriptions have been caught up
 * @property {(times: HttpTimes) => number} openMs on top of that, until the answer must have begun
 * @property {(times: HttpTimes, brought: {news: boolean, complete: boolean}) => number} pauseMs from the beginning of
 *   one request to the next, at least, after an answer that brought this
 * @property {(body: ReadableStream<Uint8Array>) => AsyncGenerator<any[]>} read the messages, as pieces of the
 *   answer complete them; a piece without any shows only that the way is alive
 */

/**
 * @typedef {object} HttpTimes all in ms
 * @property {number} openMs until the answer to a long poll must begin, its waiting apart
 * @property {number} deadMs without a byte before the request counts as dead (the server's `dead_s` wins)
 * @property {number} answerMs until an event stream must greet, or anything must come after waking up
 * @property {number} pageMs deadline of an answer to a question to subscribe
 * @property {number} pollMs how long a long poll may wait
 * @property {number} pollPauseMs from one long poll to the next if it brought nothing
 * @property {number} glanceMs from one look of a hidden tab to the next
 * @property {number} stableMs a conversation that lasted so long was a good one
 */

/**
 * Each message is an event of its own and is heard as soon as it is whole. A proxy that holds answers back until
 * they end shows by the greeting that does not come.
 *
 * @type {Exchange}
 */
export const eventStream = {
  accept: "text/event-stream",
  lasting: true,
  waitMs: () => 0,
  openMs: (times) => times.answerMs,
  pauseMs: () => 0,
  async *read(body) {
    const parser = new EventParser();
    let greeted = false;
    for await (const text of textOf(body)) {
      const messages = parser.take(text).map((data) => JSON.parse(data));
      // Comments and padding before the greeting are no sign of life: a buffer may let them through and no more.
      greeted ||= messages.length > 0;
      if (greeted) yield messages;
    }
  },
};

/**
 * One answer in one piece, as soon as there is news. Until we know that we are caught up the server is not to wait
 * for any: that we are is no news.
 *
 * @type {Exchange}
 */
export const longPoll = {
  accept: "application/json",
  lasting: false,
  waitMs: (times, complete) => (complete ? times.pollMs : 0),
  openMs: (times) => times.openMs,
  // A server that does not wait, or a cache on the way, must not make us ask in a circle.
  pauseMs: (times, { news }) => (news ? 0 : times.pollPauseMs),
  async *read(body) {
    let whole = "";
    for await (const text of textOf(body)) {
      whole += text;
      yield [];
    }
    yield JSON.parse(whole).m;
  },
};

/**
 * What a hidden tab does in place of either: it looks from time to time and holds nothing in between. Over HTTP/1.1
 * a browser opens six connections to a host for all its tabs together, and the tab in front needs some.
 *
 * @type {Exchange}
 */
export const glance = {
  ...longPoll,
  waitMs: () => 0,
  pauseMs: (times, brought) => (brought.complete ? times.glanceMs : longPoll.pauseMs(times, brought)),
};

/**
 * The pieces as they come; a character that a cut divides waits for its other half.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<string>}
 */
async function* textOf(body) {
  const reader = body.getReader();
  // Damaged text is a damaged way, not an event: fatal.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield decoder.decode(value, { stream: true });
  }
}
