// Buttons that show only the photos with one answer.

import { h } from "./dom.js";
import { nameOf } from "./label.js";
import { look } from "./model.js";

// The choice of all photos; null is that of photos that could not be read.
const ALL = undefined;

/**
 * Fill an element with a button for each answer, and one for all photos.
 * @param {HTMLElement} element
 * @param {() => void} changed called when another button is chosen
 */
export function answerFilter(element, changed) {
  const buttons = new Map();
  let chosen = ALL;

  function choose(label) {
    chosen = label;
    for (const [one, { button }] of buttons) button.setAttribute("aria-pressed", one === chosen);
  }

  function add(label) {
    const count = h("b", {});
    const onclick = () => {
      choose(label);
      changed();
    };
    const text = label === ALL ? ["All"] : [h("i", { class: `key ${look(label)}` }), named(label)];
    const button = h("button", { class: "button tag", type: "button", onclick }, text, count);
    buttons.set(label, { button, count });
  }

  return {
    /**
     * Show how many photos have which answer; it is hidden while all have the same one.
     * @param {[label: string | null, count: number][]} counts see `tally`
     * @param {number} total
     */
    update(counts, total) {
      const now = new Map([[ALL, total], ...counts]);
      for (const label of [...buttons.keys()]) if (!now.has(label)) buttons.delete(label);
      for (const [label, count] of now) {
        if (!buttons.has(label)) add(label);
        buttons.get(label).count.textContent = count.toLocaleString("en");
      }
      const shown = [...now.keys()].map((label) => buttons.get(label).button);
      if (shown.some((one, place) => one !== element.children[place]) || shown.length < element.children.length) {
        const focused = element.contains(document.activeElement) ? document.activeElement : null;
        element.replaceChildren(...shown);
        focused?.focus({ preventScroll: true });
      }
      element.hidden = counts.length < 2;
      choose(element.hidden || !now.has(chosen) ? ALL : chosen);
    },
    showAll: () => choose(ALL),
    isShown: () => !element.hidden,
    /** Return whether a photo with this row is shown; its row is null until it is answered. */
    shows: (row) => chosen === ALL || (row !== null && row.label === chosen),
  };
}

const named = (label) => (label === null ? "not read" : nameOf(label));
