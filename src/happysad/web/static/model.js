// The classifier in use, and how its labels look.

import * as engine from "./engine.js";

let current = {
  name: "",
  id: "",
  sha256: "",
  shipped: true,
  details: { classes: ["happy", "sad"] },
};
const listeners = new Set();

/** The classifier in use, as GET /v1/model describes it. */
export const model = () => current;

/** Call a listener now, and whenever the classifier in use changes. */
export function onModel(listener) {
  listeners.add(listener);
  listener(current);
}

/** Replace the classifier in use. */
export function setModel(row) {
  current = row;
  for (const listener of listeners) listener(row);
}

/** Ask the engine which classifier is in use. */
export const loadModel = async () => setModel(await engine.loadModel());

/** Return the name of a classifier for people. */
export const modelName = (row = current) =>
  row.shipped ? "the classifier that comes with happysad" : `the classifier “${row.name}”`;

/** Return each class with the probability from which on it is the answer; empty if never unsure. */
export function sureFrom({ classes, unsure }) {
  if (!unsure) return [];
  const least = classes.length === 2 ? [1 - unsure[0], unsure[1]] : unsure;
  return classes.map((name, place) => [name, least[place]]);
}

// The colours of the classes; happysad's colours.py has the same rule.
const LOOKS = ["happy", "sad", "neither"];

/**
 * Return the CSS class of a label's colour: by the name of its class, or, for other names, by its
 * place among the colours that are left; "other" if it is not a class.
 * @param {string} label
 * @param {string[]} classes by default those of the classifier in use
 */
export function look(label, classes = current.details.classes) {
  if (LOOKS.includes(label)) return label;
  const left = LOOKS.filter((one) => !classes.includes(one));
  return left[classes.filter((one) => !LOOKS.includes(one)).indexOf(label)] ?? "other";
}
