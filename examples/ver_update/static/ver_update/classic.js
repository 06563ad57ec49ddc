// @ts-check
/** The classic way: whatever the socket does not bring is lost, and when it closes it is over. */

import { Lines, socketUrl } from "./lines.js";

const lines = new Lines(document.querySelector("#classic"));
/** @type {WebSocket | undefined} */
let socket;

export function startClassic() {
  if (socket) socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
  socket?.close();
  lines.clear();
  socket = new WebSocket(socketUrl("/ws/ver_update/"));

  socket.onopen = () => lines.state("open · 已连接");

  socket.onmessage = (event) => {
    const data = JSON.parse(event.data);
    if (data.from) lines.path(data.from);
    if (data.message) lines.add(data.message);
  };

  // An error says nothing about its cause, and a close always follows it.
  socket.onerror = () => lines.state("error · 出错");

  socket.onclose = (event) => {
    lines.state(`closed, code ${event.code} · 已关闭`);
    lines.end();
  };
}
