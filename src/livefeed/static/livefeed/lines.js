// @ts-check
/**
 * The lines of a `<live-feed>`: at most so many rows, the newest ones, and the figure of those that had to go.
 *
 * A `cont` is a piece of a line: what follows of the same lane and origin joins it, until its `line` comes. A row
 * takes ROW_CHARS; what is longer goes on in the next one. The pane stays at its end if it was there.
 */

/** @typedef {import("./subscription.js").Group} Group */

const LINE = "live-feed-line";
const ROW_CHARS = 16384;
/** Lines under way at once; with more of them pieces are shown as rows of their own. */
const OPEN = 1000;
/** So near to the end counts as the end, in px. */
const NEAR = 8;

export class Lines {
  /** Says how many rows are gone; hidden while none is. */
  earlier = document.createElement("p");

  /** Rows kept. */
  max = Infinity;

  #pane;
  #say;
  #gone = 0;
  /** @type {Map<string, HTMLElement>} by lane and origin */
  #open = new Map();

  /**
   * @param {HTMLElement} pane
   * @param {(word: string, n?: number) => string} say
   */
  constructor(pane, say) {
    this.#pane = pane;
    this.#say = say;
    this.earlier.className = "live-feed-note";
    this.earlier.hidden = true;
  }

  /**
   * @param {Group[]} groups
   * @param {boolean} every show events of other kinds, too
   */
  apply(groups, every) {
    const fresh = document.createDocumentFragment();
    for (const [lane, kind, origin, , , items] of groups) {
      const writer = JSON.stringify([lane, origin]);
      for (const data of items)
        if (kind === "line" || kind === "cont") this.#piece(fresh, writer, textOf(data), kind === "cont");
        else if (every) fresh.append(row(`${lane} ${kind} ${JSON.stringify(data)}`));
    }
    this.#add(fresh);
  }

  /** @param {string} text something to know about the lines */
  note(text) {
    const fresh = document.createDocumentFragment();
    fresh.append(row(text, "live-feed-note"));
    this.#add(fresh);
  }

  clear() {
    this.#open.clear();
    this.#pane.replaceChildren();
    this.#gone = 0;
    this.earlier.hidden = true;
  }

  /**
   * @param {DocumentFragment} fresh
   * @param {string} writer its lane and origin
   * @param {string} text
   * @param {boolean} goesOn
   */
  #piece(fresh, writer, text, goesOn) {
    let open = this.#open.get(writer);
    // A row that had to go takes no more text.
    if (open?.parentNode && (open.textContent ?? "").length < ROW_CHARS) open.append(text);
    else fresh.append((open = row(text)));
    if (!goesOn) this.#open.delete(writer);
    else if (this.#open.size < OPEN || this.#open.has(writer)) this.#open.set(writer, open);
  }

  /** @param {DocumentFragment} fresh */
  #add(fresh) {
    const pane = this.#pane;
    const atEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight <= NEAR;
    const gone = this.#gone;
    for (let over = pane.childElementCount + fresh.childElementCount - this.max; over > 0; over--) {
      const oldest = pane.firstElementChild ?? fresh.firstElementChild;
      if (oldest?.className === LINE) this.#gone += 1;
      oldest?.remove();
    }
    pane.append(fresh);
    if (this.#gone > gone) {
      this.earlier.hidden = false;
      this.earlier.textContent = this.#say("earlier", this.#gone);
    }
    if (atEnd) pane.scrollTop = pane.scrollHeight;
  }
}

/**
 * @param {string} text
 * @param {string} [name]
 */
function row(text, name = LINE) {
  const made = document.createElement("div");
  made.className = name;
  made.textContent = text;
  return made;
}

/** @param {any} data of a `line` or `cont`: a text, or an object that has one */
function textOf(data) {
  const text = typeof data === "object" && data !== null ? data.text : data;
  return typeof text === "string" ? text : JSON.stringify(data);
}
