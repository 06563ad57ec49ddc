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
