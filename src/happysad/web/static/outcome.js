// An outcome as people read it: a chip, a scale and words.

import { h } from "./dom.js";
import { leaning, look, model, percent, sureness } from "./model.js";

/** An outcome's name. */
export const nameOf = (label) => label.replaceAll("_", " ");

/** An outcome with how sure it is, in one line of text. */
export function line(label, p) {
  if (p === null) return nameOf(label);
  return label === "unsure"
    ? `unsure, leans to ${leaning(p)}, ${sureness(p)}`
    : `${label}, ${sureness(p)}`;
}

/** The same as elements. */
export function shown(label, p) {
  const chip = h("span", { class: `chip ${look(label)}` }, nameOf(label));
  if (p === null) return [chip];
  const words = label === "unsure" ? `leans to ${leaning(p)}, ` : "";
  return [chip, " ", h("span", { class: "sureness" }, words, h("b", {}, sureness(p)))];
}

/** From one class to the other: where p stands, and where the classifier would be unsure. */
export function scale(p) {
  const { labels, unsure, threshold = 0.5 } = model().details;
  const [low, high] = unsure ?? [threshold, threshold];
  const first = h("i", { class: "zone first" });
  const second = h("i", { class: "zone second" });
  const mark = h("i", { class: "mark" });
  first.style.width = `${100 * low}%`;
  second.style.width = `${100 * (1 - high)}%`;
  mark.style.left = `${100 * p}%`;
  const text = `${labels[0]} ${percent(1 - p)}, ${labels[1]} ${percent(p)}`;
  return h(
    "div",
    { class: "scale", role: "img", "aria-label": text, title: text },
    h("span", {}, labels[0]),
    h("span", { class: "track" }, first, second, mark),
    h("span", {}, labels[1]),
  );
}

/** Why there is no class, in words; null where there is one. */
export function why(label) {
  if (label === "no_face")
    return "No face was found. This classifier looks at faces: one that is larger, upright and turned to the camera may be found.";
  const { unsure } = model().details;
  if (label !== "unsure" || !unsure) return null;
  const [first, second] = model().details.labels;
  return `Not sure enough to say. It says ${first} from ${percent(1 - unsure[0])} on and ${second} from ${percent(unsure[1])} on; between, it would be wrong too often.`;
}
