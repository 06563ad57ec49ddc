// @ts-check
/** A column of lines with its count, used by both ways; knows nothing of either. */

export class Lines {
  #list;
  #section;
  #total;

  /** @param {HTMLElement} section */
  constructor(section) {
    this.#section = section;
    this.#list = section.querySelector("ol");
    this.#total = Number(section.dataset.total);
  }

  clear() {
    this.#list.replaceChildren();
    this.#say("verdict", "");
    this.#count();
  }

  /** @param {string} text */
  add(text) {
    this.#list.append(Object.assign(document.createElement("li"), { textContent: text }));
    this.#count();
  }

  /** No more will come: say what has arrived. */
  end() {
    const lost = this.#total - this.#list.childElementCount;
    this.#section.querySelector(".verdict").dataset.lost = String(lost);
    this.#say(
      "verdict",
      lost ? `${lost} of ${this.#total} lines never arrived. 丢失 ${lost} 行。` : `All ${this.#total} lines arrived. ${this.#total} 行全部到达。`,
    );
  }

  /** @param {string} text */
  state(text) {
    this.#say("state", text);
  }

  /** @param {string} text who opened the socket on which path, or which feed this is */
  path(text) {
    this.#say("path", text);
  }

  #count() {
    this.#say("count", `${this.#list.childElementCount} / ${this.#total}`);
  }

  #say(part, text) {
    this.#section.querySelector(`.${part}`).textContent = text;
  }
}

/** @param {string} path */
export function socketUrl(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}
