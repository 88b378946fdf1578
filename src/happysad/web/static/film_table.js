// A film's table, as happysad video --csv writes it: a row for each face in each frame.

import { cell, float } from "./csv.js";
import { numbered } from "./film_answers.js";

const BOX = ["x", "y", "width", "height", "score"];
const WHOLE = ["frame", "shot", "track", "label"];

/** Return the columns, as happysad.video.film_analysis.columns. */
function columns(classes) {
  const smoothed = classes.map((name) => `p_${name}`);
  const now = smoothed.map((name) => `${name}_now`);
  return ["frame", "time", "shot", "track", "label", "probability", ...smoothed, ...now, ...BOX];
}

/**
 * Return the answers for a film as CSV; a frame without a face has a row of its own. Frames have
 * numbers only if all of them are known.
 * @param {import("./film_answers.js").Looked[]} looked
 * @param {string[]} classes
 */
export function filmTable(looked, classes) {
  const names = columns(classes);
  const known = numbered(looked);
  const lines = looked.flatMap(({ number, at, shot, answer }) => {
    const ofFrame = { frame: known ? number : null, time: Math.round(1000 * at) / 1000, shot };
    const faces = answer.faces.length ? answer.faces : [answer];
    return faces.map((face) => ({ ...ofFrame, ...cells(face, classes) }));
  });
  const written = lines.map((row) =>
    names.map((name) => cell(WHOLE.includes(name) ? row[name] : float(row[name]))).join(","),
  );
  return [names.map(cell).join(","), ...written, ""].join("\n");
}

function cells({ track, label, probability, probabilities, now, ...face }, classes) {
  const box = BOX.map((name) => [name, track === undefined ? null : face[name]]);
  const each = classes.flatMap((name) => [
    [`p_${name}`, probabilities?.[name]],
    [`p_${name}_now`, now?.[name]],
  ]);
  return { track, label, probability, ...Object.fromEntries([...each, ...box]) };
}
