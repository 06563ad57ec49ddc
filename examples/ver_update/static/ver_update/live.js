// @ts-check
/** The livefeed way: feed.js keeps a cursor, and after any cut asks for what follows it. */

import { LiveFeed } from "../livefeed/feed.js";
import { Lines } from "./lines.js";

const STATES = {
  connecting: "connecting · 连接中",
  live: "live · 实时",
  catching_up: "catching up · 追赶中",
  reconnecting: "reconnecting · 重连中",
  stopped: "stopped · 已停止",
};
const section = document.querySelector("#live");
const lines = new Lines(section);
const live = new LiveFeed({ path: "/livefeed/", historyPath: "/livefeed/history" });
live.addEventListener("status", ({ detail }) => lines.state(STATES[detail.state]));
let tail;

/**
 * Show a feed from its beginning.
 *
 * @param {{feed: string, epoch: string, after: number}} cursor
 */
export function follow(cursor) {
  lines.clear();
  goOn(cursor);
}

/**
 * Show what comes after the cursor.
 *
 * @param {{feed: string, epoch: string, after: number}} cursor
 */
function goOn({ feed, epoch, after }) {
  tail?.unsubscribe();
  tail = live.subscribe(feed, { epoch, after });
  tail.addEventListener("events", ({ detail }) => {
    for (const [, kind, , , , items] of detail.groups) if (kind === "line") items.forEach((line) => lines.add(line));
  });
  tail.addEventListener("end", () => lines.end());
  // The cursor belongs to a feed that is no more (a restored backup, say): feed.js begins again, so do we.
  tail.addEventListener("reset", ({ detail }) => detail.reason !== "pruned" && lines.clear());
  lines.path(`livefeed/ · ${feed}`);
  const history = section.querySelector(".history");
  history.href = `/livefeed/history?feed=${encodeURIComponent(feed)}`;
  history.hidden = false;
  live.start();
}

// After a reload: the server has rendered the lines up to this cursor.
const { feed, epoch, after } = section.dataset;
if (feed) goOn({ feed, epoch, after: Number(after) });
