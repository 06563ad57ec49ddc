// @ts-check
/** A box to type into and the answers above it, for ws/chat/ and ws/group/. */

import { socketUrl } from "./lines.js";

/**
 * @param {string} path
 * @param {HTMLElement} section
 */
export function chat(path, section) {
  const list = section.querySelector("ol");
  const form = section.querySelector("form");
  const state = section.querySelector(".state");
  const socket = new WebSocket(socketUrl(path));
  socket.onopen = () => (state.textContent = "open · 已连接");
  socket.onclose = () => {
    state.textContent = "closed: reload the page · 已关闭，请刷新";
    for (const control of form.elements) control.disabled = true;
  };
  socket.onmessage = (event) => {
    const data = JSON.parse(event.data);
    const line = Object.assign(document.createElement("li"), { textContent: data.message });
    line.append(Object.assign(document.createElement("small"), { textContent: data.from }));
    list.append(line);
    line.scrollIntoView({ block: "nearest" });
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    socket.send(JSON.stringify({ message: form.elements.message.value }));
    form.reset();
  });
}
