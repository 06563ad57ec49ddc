// @ts-check
/** The buttons. The two ways are in classic.js and live.js. */

import { chat } from "./chat.js";
import { startClassic } from "./classic.js";
import { follow } from "./live.js";

/** @param {string} path */
async function post(path) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const answer = await fetch(path, { method: "POST", headers: { "X-CSRFToken": token } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

document.querySelector("#buttons").addEventListener("submit", async (event) => {
  event.preventDefault();
  startClassic();
  follow(await post("/start/"));
});
document.querySelector("#cut").addEventListener("click", () => post("/cut/"));

chat("/ws/chat/", document.querySelector("#chat"));
chat("/ws/group/", document.querySelector("#group"));
