// Labelling by key: a button for each class, and one that leaves the photo out.

import { h } from "./dom.js";

/**
 * Show the buttons.
 * @param {HTMLElement} element gets the buttons in place of others
 * @param {string[]} classes
 * @param {(label: string) => void} decide called with a class, or "" to leave the photo out
 * @param {{kept?: string, decided?: string | null}} one the photo's label, and its decision
 */
export function showChoices(element, classes, decide, { kept = "", decided = null } = {}) {
  // The buttons are new, so the one in the place of the focused one gets the focus.
  const focused = [...element.children].indexOf(document.activeElement);
  const choices = classes.map((name, place) => [name, `${place + 1}`, name === kept ? `keep ${name}` : name]);
  element.replaceChildren(
    ...[...choices, ["", "x", "leave out"]].map(([label, key, words]) =>
      h(
        "button",
        {
          type: "button",
          class: decided === label ? "button primary" : "button",
          "aria-pressed": decided === null ? null : String(decided === label),
          onclick: () => decide(label),
        },
        `${key}  ${words}`,
      ),
    ),
  );
  element.children[focused]?.focus();
}

/** Return the label of a pressed key, "" to leave the photo out; undefined for other keys. */
export function labelOfKey(event, classes) {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return undefined;
  return event.key === "x" ? "" : classes[Number(event.key) - 1];
}
