// How many photos have which answer.

/**
 * Count the answers of rows: the classes in their order, then "unsure", "no_face", and null for
 * photos that could not be read.
 * @param {{label: string | null}[]} rows
 * @param {string[]} classes
 * @returns {[label: string | null, count: number][]} the labels that occur
 */
export function tally(rows, classes) {
  const counts = new Map();
  for (const { label } of rows) counts.set(label, (counts.get(label) ?? 0) + 1);
  const order = [...classes, "unsure", "no_face", null];
  return [...counts].sort(([one], [other]) => order.indexOf(one) - order.indexOf(other));
}
