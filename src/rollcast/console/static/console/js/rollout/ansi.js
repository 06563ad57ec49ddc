// @ts-check
/**
 * One line of terminal output → stretches of text with classes. Display only: the stored line stays as it came.
 *
 * Promise: whatever bytes a server printed, the answer is text and class names of our own making, never markup.
 * SGR colours are kept; every other escape sequence (OSC, cursor, charset), other control characters and marks
 * that turn the reading direction are left out. `\r` starts the line anew, as progress bars do it, and one at
 * the end of the line (CRLF) is nothing. Each line is drawn alone: colours do not reach into the next one.
 */

/**
 * @typedef {object} Stretch
 * @property {string} text
 * @property {string} classes separated by blanks; "" for plain text
 * @property {string | null} color of the text, as CSS, where no class says it
 * @property {string | null} background likewise
 */

/** CSI … final | OSC, DCS, SOS, PM, APC … until BEL or ST (without
 * one only its introducer goes: nothing may hide the rest of a line) | ESC with its intermediates and final. */
const ESCAPE = /\x1b\[([0-?]*)[ -/]*([@-~])?|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]?/g;
/** C0 without tab and CR, DEL, C1, and the marks that turn the direction of what follows. */
const INVISIBLE = /[\x00-\x08\x0a-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** SGR numbers that turn an attribute on. @type {Record<number, string>} */
const ON = {
  1: "a-bold",
  2: "a-dim",
  3: "a-italic",
  4: "a-underline",
  7: "a-inverse",
  8: "a-hidden",
  9: "a-strike",
};
/** SGR numbers that turn attributes off. @type {Record<number, string[]>} */
const OFF = {
  22: ["a-bold", "a-dim"],
  23: ["a-italic"],
  24: ["a-underline"],
  27: ["a-inverse"],
  28: ["a-hidden"],
  29: ["a-strike"],
};

/** @typedef {{class: string} | {css: string} | null} Colour */

class Pen {
  /** @type {Set<string>} */
  attributes = new Set();
  /** @type {Colour} */
  text = null;
  /** @type {Colour} */
  background = null;

  /** @param {string} parameters */
  sgr(parameters) {
    const numbers = parameters.split(/[;:]/).map((part) => (part === "" ? 0 : Number(part)));
    for (let i = 0; i < numbers.length; i += 1) {
      const n = numbers[i];
      if (n === 0) Object.assign(this, new Pen());
      else if (n in ON) this.attributes.add(ON[n]);
      else if (n in OFF) OFF[n].forEach((name) => this.attributes.delete(name));
      else if (n === 38 || n === 48) {
        const [colour, used] = extended(numbers, i + 1, n === 38 ? "a-f" : "a-b");
        if (n === 38) this.text = colour;
        else this.background = colour;
        i += used;
      } else if (n === 39) this.text = null;
      else if (n === 49) this.background = null;
      else if (n >= 30 && n <= 37) this.text = { class: `a-f${n - 30}` };
      else if (n >= 40 && n <= 47) this.background = { class: `a-b${n - 40}` };
      else if (n >= 90 && n <= 97) this.text = { class: `a-f${n - 82}` };
      else if (n >= 100 && n <= 107) this.background = { class: `a-b${n - 92}` };
    }
  }

  /** @param {string} text @returns {Stretch} */
  write(text) {
    const classes = [...this.attributes];
    for (const colour of [this.text, this.background])
      if (colour && "class" in colour) classes.push(colour.class);
    const css = (/** @type {Colour} */ colour) => (colour && "css" in colour ? colour.css : null);
    return { text, classes: classes.join(" "), color: css(this.text), background: css(this.background) };
  }
}

/**
 * The colour after 38 or 48: `5;n` or `2;r;g;b`.
 *
 * @param {number[]} numbers
 * @param {number} at
 * @param {string} prefix
 * @returns {[Colour, number]} and how many numbers it took
 */
function extended(numbers, at, prefix) {
  const byte = (/** @type {number} */ i) => Math.min(255, Math.max(0, numbers[i] || 0));
  if (numbers[at] === 5) return [indexed(byte(at + 1), prefix), 2];
  if (numbers[at] === 2) return [{ css: `rgb(${byte(at + 1)} ${byte(at + 2)} ${byte(at + 3)})` }, 4];
  return [null, 0];
}

/**
 * @param {number} n of the 256 colours
 * @param {string} prefix
 * @returns {Colour}
 */
function indexed(n, prefix) {
  if (n < 16) return { class: prefix + n };
  if (n >= 232) return { css: `rgb(${[1, 1, 1].map(() => 8 + (n - 232) * 10).join(" ")})` };
  const level = (/** @type {number} */ step) => (step === 0 ? 0 : 55 + step * 40);
  const cube = n - 16;
  return {
    css: `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`,
  };
}

/**
 * @param {string} line without its newline
 * @returns {Stretch[]} none for a line that shows nothing
 */
export function parseLine(line) {
  const text = line.replace(/\r+$/, "");
  const pen = new Pen();
  /** @type {Stretch[]} */
  let stretches = [];
  let returned = false;
  const put = (/** @type {string} */ raw) => {
    raw.split("\r").forEach((part, i) => {
      returned ||= i > 0;
      const shown = part.replace(INVISIBLE, "");
      if (shown === "") return;
      if (returned) stretches = [];
      returned = false;
      stretches.push(pen.write(shown));
    });
  };
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    put(text.slice(from, match.index));
    if (match[2] === "m") pen.sgr(match[1]);
    from = match.index + match[0].length;
  }
  put(text.slice(from));
  return stretches;
}

/** What the reader sees of a line, without colours: what search looks at. @param {string} line */
export function plainText(line) {
  if (!/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(line)) return line;
  if (!line.includes("\r")) return line.replace(ESCAPE, "").replace(INVISIBLE, "");
  return parseLine(line)
    .map((stretch) => stretch.text)
    .join("");
}
