// @ts-check
/**
 * How an HTTP answer carries a conversation: as an event stream that lasts, or as the one answer of a long poll.
 */

import { EventParser } from "./sse.js";

/** @typedef {import("./http.js").Exchange} Exchange */

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
