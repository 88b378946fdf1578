// Show an answer to people: as a chip, a scale and words.

import { h, inWords } from "./dom.js";
import { look, model, sureFrom } from "./model.js";

/** Return a label in words. */
export const nameOf = (label) => label.replaceAll("_", " ");

/** Return a probability in words; never 100 %, since no answer is certain. */
export function percent(p) {
  const digits = p >= 0.99 ? 1 : 0;
  const shown = Math.floor(1000 * p + 1e-9) / 10;
  return `${Math.min(shown, 99.9).toFixed(digits)} %`;
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
  return classes.length === 2 ? between(classes, attributes) : bars(classes, attributes);
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

/** Return one bar for each class. */
function bars(classes, attributes) {
  const rows = classes.flatMap(([name, p]) => {
    const bar = h("i", { class: `bar-of ${look(name)}` });
    bar.style.width = `${100 * p}%`;
    return [h("span", {}, name), h("span", { class: "track" }, bar), h("span", {}, percent(p))];
  });
  return h("div", { class: "scale bars", ...attributes }, ...rows);
}

/** Return in words why the label is not a class; null if it is one. */
export function why(label) {
  if (label === "no_face")
    return "No face was found, and this classifier looks only at faces. Faces are found more easily if they are large, upright and turned to the camera.";
  if (label !== "unsure") return null;
  const reason = "Not sure enough: any class would be wrong too often.";
  const from = sureFrom(model().details).map(([name, p]) => `${name} from ${percent(p)} on`);
  return from.length ? `${reason} It answers ${inWords(from)}.` : reason;
}
