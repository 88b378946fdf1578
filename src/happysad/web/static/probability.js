// Arithmetic of probabilities, and the label that follows from them, as happysad/probability.py and
// happysad/model_file.py.

const EPSILON = 1e-6;
const LEAST = 1.1754943508222875e-38;

/** Return the logarithms of probabilities that are kept from 0 and 1. */
export const logs = (probabilities) =>
  probabilities.map((p) => Math.log(Math.min(Math.max(p, EPSILON), 1 - EPSILON)));

/** Return the distribution whose logarithms are these, up to a constant. */
export function fromLogs(values) {
  const most = Math.max(...values);
  return normalised(values.map((value) => Math.exp(value - most)));
}

/** Scale numbers to the sum 1. */
export function normalised(values) {
  const sum = values.reduce((one, other) => one + other, 0);
  return values.map((value) => value / sum);
}

/** Return the weighted geometric mean of distributions, scaled to the sum 1. */
export function mean(rows, weights) {
  if (rows.length === 1) return rows[0];
  const whole = weights.reduce((one, other) => one + other, 0);
  const sums = new Array(rows[0].length).fill(0);
  rows.map(logs).forEach((row, at) =>
    row.forEach((value, place) => {
      sums[place] += (value * weights[at]) / whole;
    }),
  );
  return fromLogs(sums);
}

/** Return a distribution over some of the classes. */
export const among = (probabilities, places) =>
  normalised(places.map((place) => Math.max(probabilities[place], LEAST)));

/** Return the label for probabilities in the order of the classes. */
export function labelOf({ classes, unsure, threshold }, probabilities) {
  if (classes.length > 2) {
    const first = probabilities.indexOf(Math.max(...probabilities));
    return !unsure || probabilities[first] >= unsure[first] ? classes[first] : "unsure";
  }
  const [low, high] = unsure ?? [threshold, threshold];
  if (probabilities[1] < low) return classes[0];
  return probabilities[1] < high ? "unsure" : classes[1];
}

/** Return the details of the same classifier with some of its classes as the only answers. */
export function answering(details, answers) {
  const classes = details.classes.filter((name) => answers.includes(name));
  if (classes.length === details.classes.length) return details;
  let unsure = null;
  if (details.unsure) {
    const [first, second] = classes.map((name) =>
      Math.max(0.5, details.unsure[details.classes.indexOf(name)]),
    );
    if (first !== 0.5 || second !== 0.5) unsure = [1 - first, second];
  }
  return { ...details, classes, unsure };
}
