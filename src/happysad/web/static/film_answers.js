// What the answers for a film's frames say about its faces, and about each moment.

/**
 * A frame that was looked at: its number in the film, or null if it is unknown; its time in
 * seconds from the first frame; its shot, from 1; and its answer, as Live has it.
 * @typedef {{number: number | null, at: number, shot: number, answer: object}} Looked
 */

import { among, answering, labelOf } from "./probability.js";

// Seconds for which an answer is shown, and over which boxes move, without another answer.
const HELD = 0.5;

/** Write a time as m:ss or h:mm:ss. */
export function clock(seconds) {
  const whole = Math.round(seconds);
  const [minutes, rest] = [Math.floor(whole / 60), String(whole % 60).padStart(2, "0")];
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/**
 * Return the answers for a frame as if only some classes could be the answer: smoothing and means are
 * of logarithms, so it makes no difference that the others are left out only now.
 * @param {Looked} one
 * @param {object} details those of the classifier
 * @param {string[]} answers
 */
export function answeredOnly(one, details, answers) {
  const asked = answering(details, answers);
  if (asked === details) return one;
  const places = asked.classes.map((name) => details.classes.indexOf(name));
  const only = (all) => among(details.classes.map((name) => all[name]), places);
  const named = (values) => Object.fromEntries(asked.classes.map((name, at) => [name, values[at]]));
  const narrowed = ({ probabilities, now, ...rest }) => {
    if (!probabilities) return { ...rest, probabilities, now };
    const values = only(probabilities);
    const answer = { label: labelOf(asked, values), probability: Math.max(...values) };
    return { ...rest, ...answer, probabilities: named(values), now: now && named(only(now)) };
  };
  const { faces, ...whole } = one.answer;
  return { ...one, answer: { ...narrowed(whole), faces: faces.map(narrowed) } };
}

/**
 * Return the faces of a film, those seen in most frames first; the film itself, without a track, if
 * the classifier finds no faces.
 * @param {Looked[]} looked
 * @returns {{track: number | undefined, from: number, to: number, frames: number,
 * shares: Record<string, number>}[]} each with the shares of its frames that have each label
 */
export function courses(looked) {
  const found = new Map();
  for (const { at, answer } of looked) {
    for (const { track, label } of seen(answer)) {
      const course = found.get(track) ?? { track, from: at, to: at, frames: 0, counts: {} };
      found.set(track, course);
      course.to = at;
      course.frames += 1;
      course.counts[label] = (course.counts[label] ?? 0) + 1;
    }
  }
  return [...found.values()]
    .sort((one, other) => other.frames - one.frames)
    .map(({ counts, ...course }) => ({ ...course, shares: sharesOf(counts) }));
}

/** Return the answers of a frame: those of its faces, or that of the whole frame, if it has one. */
const seen = (answer) => {
  if (answer.faces.length) return answer.faces;
  return answer.label === "no_face" ? [] : [answer];
};

/** Return the share of the frames without a face. */
export const faceless = (looked) =>
  looked.filter(({ answer }) => !seen(answer).length).length / (looked.length || 1);

/** Return whether the number of every frame is known. */
export const numbered = (looked) => looked.every(({ number }) => number !== null);

/** Return the number of cuts. */
export const cutsOf = (looked) => (looked.at(-1)?.shot ?? 1) - 1;

function sharesOf(counts) {
  const sum = Object.values(counts).reduce((one, other) => one + other, 0);
  return Object.fromEntries(Object.entries(counts).map(([label, count]) => [label, count / sum]));
}

/**
 * Return the shares of the labels over the time of a film.
 * @param {Looked[]} looked
 * @param {number} seconds the film's length
 * @param {number} count the number of equal parts of its time
 * @returns {Record<string, number>[]} the shares of each part; empty without a face
 */
export function parts(looked, seconds, count) {
  const counts = Array.from({ length: count }, () => ({}));
  looked.forEach(({ at, answer }, place) => {
    // A frame lasts until the next one that was looked at.
    const until = looked[place + 1]?.at ?? at + (at - (looked[place - 1]?.at ?? at));
    const first = Math.min(Math.floor((at / seconds) * count), count - 1);
    const last = Math.min(Math.max(first + 1, Math.floor((until / seconds) * count)), count);
    for (let part = first; part < last; part++)
      for (const { label } of seen(answer)) counts[part][label] = (counts[part][label] ?? 0) + 1;
  });
  return counts.map(sharesOf);
}

/** Return the outline of a label's shares, piled on those of the labels before it, in a box 1 high. */
export function band(shares, labels, label) {
  const before = labels.slice(0, labels.indexOf(label));
  return shares
    .map((part, place) => {
      if (!part[label]) return "";
      const low = before.reduce((sum, one) => sum + (part[one] ?? 0), 0);
      return `M${place} ${places(1 - low)}V${places(1 - low - part[label])}h1V${places(1 - low)}z`;
    })
    .join("");
}

const places = (value) => +value.toFixed(3);

/**
 * Return the answer to show at a time, whose boxes move between frames; null if there is none.
 * @param {Looked[]} looked
 * @param {number} at seconds
 */
export function answerAt(looked, at) {
  let [low, high] = [0, looked.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (looked[middle].at <= at) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [looked[low - 1], looked[low]];
  if (!before || at - before.at > HELD) return null;
  if (!after || after.shot !== before.shot) return before.answer;
  const share = (at - before.at) / (after.at - before.at);
  const faces = before.answer.faces.map((face) => {
    const next = after.answer.faces.find(({ track }) => track === face.track);
    const moved = (name) => face[name] + share * ((next ?? face)[name] - face[name]);
    const box = ["x", "y", "width", "height"].map((name) => [name, moved(name)]);
    return { ...face, ...Object.fromEntries(box) };
  });
  return { ...before.answer, faces };
}
