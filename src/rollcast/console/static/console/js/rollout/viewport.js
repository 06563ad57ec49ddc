// @ts-check
/**
 * A list of any length in a scroller: rows of one fixed height, of which only the visible ones exist.
 *
 * The position is `#top`, in pixels of the *whole* list; the scroller's own position is only its shadow. Browsers
 * end elements at 33 million px (Chromium) or draw nothing beyond 17.8 million (Firefox), so above 8 million px
 * the scroller is a scaled one: its thumb moves in scaled steps, while wheel and keys are taken over here and move
 * `#top` exactly. A scroll event that only echoes what we set ourselves is recognised and ignored.
 *
 * The rows stick to the top of the view and are drawn where `#top` says, so a fast scroll shows old rows for one
 * frame and never a blank.
 */

/** Height of a row in px; the CSS says the same. */
export const ROW_PX = 20;
/** Height in px above which the scroller is scaled: below every browser's limit. */
const MAX_PX = 8_000_000;
/** No screen shows more; DOM nodes stay bounded even where CSS forgot to give the pane a height. */
const MAX_ROWS = 150;
/** What a wheel notch in lines means, as browsers do it. */
const LINE_NOTCH_PX = 16;

/**
 * @typedef {object} ViewportOwner
 * @property {() => number} count rows in the list
 * @property {() => HTMLElement} makeRow
 * @property {(row: HTMLElement, index: number) => void} drawRow must be cheap if nothing changed
 * @property {(toEnd: boolean) => void} onMoved the reader scrolled, down to the end or anywhere else
 */

export class Viewport {
  #owner;
  #scroller;
  #spacer;
  #layer;
  /** @type {HTMLElement[]} */
  #pool = [];
  #top = 0;
  #echo = 0;
  #height = 0;
  #frame = 0;
  #goal = -1;

  /**
   * @param {{scroller: HTMLElement, spacer: HTMLElement, layer: HTMLElement}} elements
   * @param {ViewportOwner} owner
   */
  constructor({ scroller, spacer, layer }, owner) {
    this.#owner = owner;
    this.#scroller = scroller;
    this.#spacer = spacer;
    this.#layer = layer;
    css(scroller, { position: "relative", overflow: "auto", "overflow-anchor": "none" });
    css(layer, { position: "sticky", top: "0", height: "0" });
    css(spacer, { width: "1px" });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    scroller.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    scroller.addEventListener("touchmove", () => this.#leave(), { passive: true });
    scroller.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#resized()).observe(scroller);
  }

  /** First row that is at least partly visible. */
  get firstIndex() {
    return Math.floor(this.#top / ROW_PX);
  }

  get atEnd() {
    return this.#top >= this.#maxTop - ROW_PX / 2;
  }

  /** Draw in the next frame, at the end of the list if `toEnd`. @param {{toEnd?: boolean}} [how] */
  update({ toEnd = false } = {}) {
    if (toEnd) this.#goal = Infinity;
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** Bring a row into view, in the middle unless it is visible already. @param {number} index */
  reveal(index) {
    const y = index * ROW_PX;
    const visible = y >= this.#top && y + ROW_PX <= this.#top + this.#height;
    if (!visible) this.#goal = Math.max(0, y - Math.floor(this.#height / 2 / ROW_PX) * ROW_PX);
    this.update();
  }

  /** Move so that this row is the first. @param {number} index */
  scrollTo(index) {
    this.#goal = index * ROW_PX;
    this.update();
  }

  get #total() {
    return this.#owner.count() * ROW_PX;
  }

  get #maxTop() {
    return Math.max(0, this.#total - this.#height);
  }

  get #scaled() {
    return this.#total > MAX_PX;
  }

  /** Px of the whole list per px of the scroller. */
  get #scale() {
    return this.#scaled ? this.#maxTop / (MAX_PX - this.#height) : 1;
  }

  #draw() {
    this.#frame = 0;
    this.#spacer.style.setProperty("height", `${Math.min(this.#total, MAX_PX)}px`);
    this.#moveTo(this.#goal >= 0 ? this.#goal : this.#top);
    this.#goal = -1;
    const first = this.firstIndex;
    const room = Math.min(MAX_ROWS, Math.ceil(this.#height / ROW_PX) + 1);
    const shown = Math.max(0, Math.min(this.#owner.count() - first, room));
    while (this.#pool.length < shown) this.#pool.push(this.#newRow());
    this.#pool.forEach((row, i) => {
      css(row, { display: i < shown ? "" : "none" });
      if (i >= shown) return;
      css(row, { transform: `translateY(${(first + i) * ROW_PX - this.#top}px)` });
      this.#owner.drawRow(row, first + i);
    });
  }

  #newRow() {
    const row = this.#owner.makeRow();
    css(row, {
      position: "absolute",
      top: "0",
      left: "0",
      "min-width": "100%",
      height: `${ROW_PX}px`,
      "line-height": `${ROW_PX}px`,
      "white-space": "pre",
    });
    this.#layer.append(row);
    return row;
  }

  /** @param {number} top */
  #moveTo(top) {
    this.#top = Math.max(0, Math.min(top, this.#maxTop));
    const shadow = this.#top / this.#scale;
    if (Math.abs(this.#scroller.scrollTop - shadow) >= 1) this.#scroller.scrollTop = shadow;
    this.#echo = this.#scroller.scrollTop;
  }

  #scrolled() {
    const { scrollTop } = this.#scroller;
    if (Math.abs(scrollTop - this.#echo) < 1) return;
    // The box grew and the browser moved the text for that: nobody scrolled.
    if (this.#scroller.clientHeight !== this.#height) {
      this.#resized();
      return;
    }
    const down = scrollTop > this.#echo;
    this.#echo = scrollTop;
    this.#top = Math.max(0, Math.min(scrollTop * this.#scale, this.#maxTop));
    this.#goal = -1;
    this.#owner.onMoved(down && this.atEnd);
    this.update();
  }

  /** @param {number} px */
  #moveBy(px) {
    this.#moveTo((this.#goal >= 0 ? Math.min(this.#goal, this.#maxTop) : this.#top) + px);
    this.#goal = -1;
    this.#owner.onMoved(px > 0 && this.atEnd);
    this.update();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (event.ctrlKey || event.shiftKey || event.deltaY === 0) return;
    // At once, not at the scroll event: the next line to follow would stop the browser's smooth scrolling.
    if (event.deltaY < 0 && this.#maxTop > 0) this.#leave();
    if (!this.#scaled) return;
    event.preventDefault();
    this.#moveBy(event.deltaY * [1, LINE_NOTCH_PX, this.#height][event.deltaMode]);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.metaKey) return;
    const page = Math.max(ROW_PX, this.#height - ROW_PX);
    /** @type {Record<string, number>} */
    const moves = {
      ArrowUp: -ROW_PX,
      ArrowDown: ROW_PX,
      PageUp: -page,
      PageDown: page,
      Home: -Infinity,
      End: Infinity,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.#moveBy(moves[event.key]);
  }

  #leave() {
    this.#goal = -1;
    this.#owner.onMoved(false);
  }

  #resized() {
    const wasAtEnd = this.atEnd;
    this.#height = this.#scroller.clientHeight;
    this.#echo = this.#scroller.scrollTop;
    this.update({ toEnd: wasAtEnd });
  }
}

/** @param {HTMLElement} element @param {Record<string, string>} properties */
function css(element, properties) {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
}
