// Show an answer to people: as a chip, a scale and words.

import { h, inWords } from "./dom.js";
import { look, model, sureFrom } from "./model.js";

/** Return a label in words. */
export const nameOf = (label) => label.replaceAll("_", " ");

/** Return a probability in words, by the rule of percent in happysad's predictions.py. */
export function percent(p) {
  if (p >= 0.01 && p < 0.99) return `${Math.floor(100 * p + 0.5)} %`;
  const tenths = Math.min(Math.max(Math.floor(1000 * p + 0.5), 1), 999);
  return `${(tenths / 10).toFixed(1)} %`;
}

/** Return how sure an answer is, in parts: "93 %", or "leans happy 66 %" if it is unsure. */
function sureness(label, probabilities) {
  const [likeliest, p] = Object.entries(probabilities).reduce((one, other) =>
    other[1] > one[1] ? other : one,
  );
  return label === "unsure"
    ? ["leans ", likeliest, " ", percent(p)]
    : ["", "", "", percent(probabilities[label])];
}

/** Return an answer as one line: "happy 93 %", "unsure, leans happy 66 %" or "no face". */
export function line(label, probabilities) {
  if (!probabilities) return nameOf(label);
  const comma = label === "unsure" ? "," : "";
  return `${nameOf(label)}${comma} ${sureness(label, probabilities).join("")}`;
}

/** Return an answer as elements. */
export function shown(label, probabilities) {
  const chip = h("span", { class: `chip ${look(label)}` }, nameOf(label));
  if (!probabilities) return [chip];
  const words = sureness(label, probabilities);
  const figure = h("b", {}, words.pop());
  return [chip, " ", h("span", { class: "sureness" }, words.join(""), figure)];
}

/** Return the probabilities of all classes as a picture. */
export function scale(probabilities) {
  const classes = Object.entries(probabilities);
  const text = classes.map(([name, p]) => `${name} ${percent(p)}`).join(", ");
  const attributes = { role: "img", "aria-label": text, title: text };
  const two = model().details.classes.length === 2;
  return two ? between(classes, attributes) : shares(classes, attributes);
}

/** Return a scale from one class to the other, with the answer and the zone of unsure. */
function between([[first], [second, p]], attributes) {
  const { unsure, threshold = 0.5 } = model().details;
  const [low, high] = unsure ?? [threshold, threshold];
  const left = h("i", { class: `zone ${look(first)}` });
  const right = h("i", { class: `zone ${look(second)}` });
  const mark = h("i", { class: "mark" });
  left.style.width = `${100 * low}%`;
  right.style.width = `${100 * (1 - high)}%`;
  mark.style.left = `${100 * p}%`;
  return h(
    "div",
    { class: "scale", ...attributes },
    h("span", {}, first),
    h("span", { class: "track" }, left, right, mark),
    h("span", {}, second),
  );
}

/** Return one bar that is divided between the classes, and below it the share of each. */
function shares(classes, attributes) {
  const parts = classes.map(([name, p]) => {
    const part = h("i", { class: `part ${look(name)}` });
    part.style.flexGrow = p;
    return part;
  });
  const names = classes.map(([name, p]) =>
    h("span", {}, h("i", { class: `key ${look(name)}` }), name, h("b", {}, percent(p))),
  );
  return h(
    "div",
    { class: "scale shares", ...attributes },
    h("span", { class: "whole" }, ...parts),
    h("span", { class: "names" }, ...names),
  );
}

/** Return in words why the label is not a class; null if it is one. */
export function why(label, probabilities) {
  if (label === "no_face")
    return "No face was found, and this classifier looks only at faces. Faces are found more easily if they are large, upright and turned to the camera.";
  if (label !== "unsure") return null;
  const reason = "Not sure enough: any class would be wrong too often.";
  const from = sureFrom(model().details)
    .filter(([name]) => name in probabilities)
    .map(([name, p]) => `${name} from ${percent(p)} on`);
  return from.length ? `${reason} It answers ${inWords(from)}.` : reason;
}
