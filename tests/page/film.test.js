import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { answerAt, answeredOnly, band, clock, courses, cutsOf, faceless, parts } from "./film_answers.js";
import { CutDetector, difference, small } from "./film_cuts.js";
import { every, frames, measure } from "./film_frames.js";
import { filmTable } from "./film_table.js";

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url)));

const NONE = { label: "no_face", probability: null, probabilities: null, now: null, faces: [] };
const face = (track, label, x = 0) => ({
  ...{ track, label, probability: 0.75, x, y: 2, width: 30, height: 40.5, score: 0.9 },
  probabilities: { happy: 0.75, sad: 0.25 },
  now: { happy: 0.5, sad: 0.5 },
});
const frame = (number, at, faces, shot = 1) => ({
  ...{ number, at, shot },
  answer: faces.length ? { ...NONE, label: faces[0].label, faces } : NONE,
});

/** A film whose frames have these times: seeking returns the time of the frame that is shown. */
const seeking = (times) => async (at) => times.findLast((time) => time <= at) ?? times[0];
const steady = (count, length, start = 0) =>
  Array.from({ length: count }, (_, place) => start + place * length);

async function lookedAt(times, seconds) {
  const seek = seeking(times);
  const measured = await measure(seek, seconds);
  const found = [];
  for await (const one of frames(seek, seconds, measured)) found.push(one);
  return { ...measured, found };
}

for (const [rate, step] of [
  [60, 6],
  [30, 3],
  [29.97, 3],
  [25, 2],
  [24, 2],
  [12, 1],
  [5, 1],
])
  test(`every ${step}. of ${rate} frames per second`, async () => {
    const count = Math.round(7 * rate);
    // Containers round times to milliseconds.
    const times = steady(count, 1 / rate, 0.04).map((time) => Math.round(1000 * time) / 1000);
    const { start, length, found } = await lookedAt(times, count / rate + 0.04);
    assert.equal(start, 0.04);
    assert.equal(every(length), step);
    assert.ok(Math.abs(length * rate - 1) < 0.001, String(length));
    const expected = steady(Math.ceil(count / step), step);
    assert.deepEqual(
      found.map(({ number }) => number),
      expected,
    );
    found.forEach(({ at, number }) => assert.ok(Math.abs(at - number / rate) < 0.001));
  });

test("a frame that lasts longer is looked at once", async () => {
  const { found } = await lookedAt([0, 0.1, 0.2, 1.2, 1.3], 1.4);
  assert.deepEqual(
    found.map(({ at }) => +at.toFixed(3)),
    [0, 0.1, 0.2, 1.2, 1.3],
  );
  assert.deepEqual(
    found.map(({ number }) => number),
    [0, 1, 2, null, null],
  );
});

for (const [what, later] of [
  ["slower", (place) => place / 15],
  ["faster", (place) => place / 50],
  ["uneven", (place) => place / 30 + 0.02 * Math.sin(place)],
])
  test(`a film that becomes ${what} has numbers only at its start`, async () => {
    const first = steady(60, 1 / 30);
    const times = [...first, ...Array.from({ length: 90 }, (_, place) => 2 + later(place))];
    const { found } = await lookedAt(times, times.at(-1) + 1 / 30);
    const numbers = found.map(({ number }) => number);
    const known = numbers.indexOf(null);
    assert.ok(known > 0, String(numbers));
    assert.ok(numbers.slice(known).every((one) => one === null));
    found.slice(0, known).forEach(({ at, number }) => assert.equal(times[number], at));
    found.forEach(({ at }) => assert.ok(times.includes(at)));
  });

test("a film of one frame", async () => {
  const { found } = await lookedAt([0], 0.04);
  assert.deepEqual(found, [{ number: 0, at: 0 }]);
});

test("the table is that of Python", () => {
  const { looked, classes, table } = vectors.film;
  assert.equal(filmTable(looked, classes), table);
});

test("a browser that tells only the times it was asked for", async () => {
  const seek = async (at) => at;
  const found = [];
  for await (const one of frames(seek, 2, await measure(seek, 2))) found.push(one);
  assert.deepEqual(
    found.map(({ at }) => +at.toFixed(3)),
    steady(20, 0.1).map((at) => +at.toFixed(3)),
  );
  assert.deepEqual(found.map(({ number }) => number), [0, ...Array(19).fill(null)]);
});

test("the table of a film without all numbers has none", () => {
  const { looked, classes, table } = vectors.film;
  const later = looked.map((one, place) => (place ? { ...one, number: null } : one));
  assert.equal(filmTable(later, classes), table.replace(/^\d+/gm, ""));
});

test("the table among two answers is that of Python", () => {
  const { looked, classes, unsure, only } = vectors.film;
  const details = { classes, unsure };
  const answers = ["happy", "sad"];
  const found = filmTable(looked.map((one) => answeredOnly(one, details, answers)), answers);
  const [rows, expected] = [found, only].map((text) => text.split("\n").map((row) => row.split(",")));
  assert.deepEqual(rows[0], expected[0]);
  assert.equal(rows.length, expected.length);
  rows.slice(1).forEach((row, place) =>
    row.forEach((value, column) => {
      const wanted = expected[place + 1][column];
      if (value === wanted) return;
      assert.ok(Math.abs(value - wanted) < 1e-5, `${rows[0][column]}: ${value}, not ${wanted}`);
    }),
  );
  assert.equal(answeredOnly(looked[0], details, classes), looked[0]);
});

test("the faces of a film, with the shares of their labels", () => {
  const looked = [
    frame(0, 0, [face(1, "happy")]),
    frame(2, 0.1, [face(2, "sad"), face(1, "happy")]),
    frame(4, 0.2, [face(2, "sad")], 2),
    frame(6, 0.3, [face(2, "unsure")], 2),
    frame(8, 0.4, [], 2),
  ];
  assert.deepEqual(courses(looked), [
    { track: 2, from: 0.1, to: 0.3, frames: 3, shares: { sad: 2 / 3, unsure: 1 / 3 } },
    { track: 1, from: 0, to: 0.1, frames: 2, shares: { happy: 1 } },
  ]);
  assert.equal(faceless(looked), 1 / 5);
  assert.equal(cutsOf(looked), 1);
});

test("a classifier without faces answers for the film", () => {
  const looked = [0, 0.1].map((at) => ({ at, shot: 1, answer: { ...NONE, label: "sad" } }));
  assert.deepEqual(courses(looked), [
    { track: undefined, from: 0, to: 0.1, frames: 2, shares: { sad: 1 } },
  ]);
  assert.equal(faceless(looked), 0);
});

test("the timeline has the shares of each part", () => {
  const looked = [
    frame(0, 0, [face(1, "happy"), face(2, "sad")]),
    frame(1, 1, [face(1, "happy")]),
    frame(2, 2, []),
  ];
  const shares = parts(looked, 3, 6);
  assert.deepEqual(shares, [
    { happy: 0.5, sad: 0.5 },
    { happy: 0.5, sad: 0.5 },
    { happy: 1 },
    { happy: 1 },
    {},
    {},
  ]);
  assert.equal(band(shares.slice(1, 3), ["happy", "sad"], "happy"), "M0 1V0.5h1V1zM1 1V0h1V1z");
  assert.equal(band(shares.slice(1, 3), ["happy", "sad"], "sad"), "M0 0.5V0h1V0.5z");
  // Several frames in a part count the same.
  assert.deepEqual(parts(looked.slice(0, 2), 2, 1), [{ happy: 2 / 3, sad: 1 / 3 }]);
});

test("boxes move between frames, but not over a cut", () => {
  const looked = [
    frame(0, 0, [face(1, "happy", 10)]),
    frame(2, 0.1, [face(2, "sad", 50), face(1, "sad", 20)]),
    frame(4, 0.2, [face(3, "sad", 90)], 2),
  ];
  const at = (time) => answerAt(looked, time)?.faces.map(({ track, label, x }) => [track, label, x]);
  assert.deepEqual(at(0.05), [[1, "happy", 15]]);
  assert.deepEqual(at(0.15), [
    [2, "sad", 50],
    [1, "sad", 20],
  ]);
  assert.deepEqual(at(0.6), [[3, "sad", 90]]);
  assert.equal(at(0.8), undefined);
  assert.equal(answerAt(looked, -0.1), null);
});

test("clock", () => assert.deepEqual([0, 59.6, 3725].map(clock), ["0:00", "1:00", "1:02:05"]));

const picture = (text) => Float32Array.from(Buffer.from(text, "base64"));

test("the difference of pictures is that of Python", () => {
  for (const { before, now, expected } of vectors.differences) {
    const found = difference(picture(before), picture(now));
    assert.ok(Math.abs(found - expected) < 1e-4, `${found}, not ${expected}`);
  }
});

test("cuts and fades", () => {
  const [one, other] = vectors.shots.map(picture);
  const mixed = (share) => one.map((value, at) => value + share * (other[at] - value));
  const found = (pictures) => {
    const detector = new CutDetector();
    return pictures.flatMap((each, place) => (detector.step(each) ? [place] : []));
  };
  const shot = (each, count) => Array.from({ length: count }, () => each);
  assert.deepEqual(found([...shot(one, 5), ...shot(other, 20)]), [5]);
  assert.deepEqual(found(shot(one, 20)), []);
  const fade = Array.from({ length: 9 }, (_, place) => mixed((place + 1) / 10));
  // The last one comes when little is left of the first shot.
  const last = found([...shot(one, 10), ...fade, ...shot(other, 10)]).at(-1);
  assert.ok(last > 13 && last < 24, String(last));
});

test("a picture is reduced to grey blocks", () => {
  const rgba = new Uint8ClampedArray(4 * 256 * 256).fill(255);
  for (let y = 0; y < 4; y++) rgba.fill(0, 4 * 256 * y, 4 * (256 * y + 8));
  const found = small(rgba);
  assert.deepEqual(
    [0, 1, 2, 64].map((at) => Math.round(found[at])),
    [0, 0, 255, 255],
  );
});
