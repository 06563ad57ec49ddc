// @ts-check
/** Native dialogs made on demand and removed when they close. */

import { gettext } from "../i18n.js";
import { make } from "../dom.js";

/** @param {HTMLDialogElement} dialog @returns {Promise<string>} its return value once closed; "" = dismissed */
function opened(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}

/**
 * @param {{title: string, text: string, yes: string, danger: boolean}} question `yes` names the deed, never "OK"
 * @returns {Promise<boolean>}
 */
export async function confirmed({ title, text, yes, danger }) {
  const no = make("button", { value: "no", autofocus: true }, gettext("Go back"));
  const go = make(danger ? "button.is-danger" : "button.is-primary", { value: "yes" }, yes);
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", {}, title),
    make("p", {}, text),
    make("div.dialog-buttons", {}, no, go),
  );
  return (await opened(/** @type {HTMLDialogElement} */ (make("dialog.confirm-dialog", {}, form)))) === "yes";
}

/** Characters of a reason that the server takes: engine/accept.py. */
const REASON_LENGTH = 300;

/**
 * Which hosts to accept as cancelled although they have not confirmed it, and why.
 *
 * @param {string[]} names of the hosts that can be
 * @returns {Promise<{targets: string[], reason: string} | null>} null = the person went back
 */
export async function accepted(names) {
  const boxes = names.map((name) =>
    make("input", { type: "checkbox", value: name, checked: names.length === 1 }),
  );
  const chosen = () => names.filter((_, n) => /** @type {HTMLInputElement} */ (boxes[n]).checked);
  const reason = /** @type {HTMLTextAreaElement} */ (
    make("textarea", { id: "accept-reason", rows: 3, maxlength: REASON_LENGTH, required: true })
  );
  const no = make("button", { value: "", formnovalidate: true }, gettext("Go back"));
  const yes = make("button.is-danger", { value: "yes" }, gettext("Accept as cancelled"));
  const hosts = make("fieldset.dialog-hosts", {}, make("legend", {}, gettext("Hosts")));
  boxes.forEach((box, n) => hosts.append(make("label", {}, box, " ", names[n])));
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", {}, gettext("Accept without confirmation?")),
    make(
      "p",
      {},
      gettext("Nobody has seen these steps stop: their processes may still run. Look at the hosts first if you can."),
    ),
    hosts,
    make("label.dialog-label", { for: "accept-reason" }, gettext("Why it is safe to go on; kept with your name")),
    reason,
    make("div.dialog-buttons", {}, no, yes),
  );
  const refuseNone = () =>
    /** @type {HTMLInputElement | undefined} */ (boxes[0])?.setCustomValidity(
      chosen().length > 0 ? "" : gettext("Choose at least one host."),
    );
  hosts.addEventListener("change", refuseNone);
  refuseNone();
  const said = await opened(/** @type {HTMLDialogElement} */ (make("dialog.confirm-dialog", {}, form)));
  return said === "yes" ? { targets: chosen(), reason: reason.value } : null;
}

/** @param {[keys: string[], meaning: string][]} keys */
export async function showKeys(keys) {
  if (document.querySelector("dialog.keys-dialog")) return;
  const list = make("dl");
  for (const [names, meaning] of keys) {
    list.append(
      make(
        "dt",
        {},
        ...names.flatMap((name, i) => (i > 0 ? [" ", make("kbd", {}, name)] : [make("kbd", {}, name)])),
      ),
      make("dd", {}, meaning),
    );
  }
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", {}, gettext("Keys")),
    list,
    make("div.dialog-buttons", {}, make("button", { value: "" }, gettext("Close"))),
  );
  await opened(/** @type {HTMLDialogElement} */ (make("dialog.keys-dialog", {}, form)));
}
