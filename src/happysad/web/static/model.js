// The classifier in use, and how its outcomes look.

import { get } from "./api.js";

let current = { name: "", sha256: "", shipped: true, details: { labels: ["happy", "sad"] } };
const listeners = new Set();

/** The classifier in use, as GET /v1/model says it. */
export const model = () => current;

/** Call now and whenever another classifier is used. */
export function onModel(listener) {
  listeners.add(listener);
  listener(current);
}

/** Take another one for the one in use. */
export function setModel(row) {
  current = row;
  for (const listener of listeners) listener(row);
}

/** Ask the server which it is. */
export const loadModel = async () => setModel(await get("/v1/model"));

/** A name for it that a reader knows. */
export const modelName = (row = current) =>
  row.shipped ? "the classifier that comes with happysad" : `the classifier “${row.name}”`;

/** Which of the three looks an outcome has. */
export function look(label) {
  return ["first", "second"][current.details.labels.indexOf(label)] ?? "other";
}

/** The class that p_sad leans to. */
export const leaning = (p) => current.details.labels[p < 0.5 ? 0 : 1];

/** A probability in words; never 100 %, which nobody knows. */
export function percent(p) {
  const digits = p >= 0.99 ? 1 : 0;
  const shown = Math.floor(1000 * p + 1e-9) / 10;
  return `${Math.min(shown, 99.9).toFixed(digits)} %`;
}

/** How sure an outcome is: the probability of the likelier class. */
export const sureness = (p) => percent(Math.max(p, 1 - p));
