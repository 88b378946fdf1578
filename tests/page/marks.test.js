import assert from "node:assert/strict";
import { test } from "node:test";

import { marks, scaleOf } from "./marks.js";

const face = (x, y, width) => ({ x, y, width, height: width, label: "happy" });

test("small photos are enlarged and very large ones reduced", () => {
  assert.equal(scaleOf(240, 120), 2);
  assert.equal(scaleOf(640, 480), 1);
  assert.equal(scaleOf(4096, 100), 1);
  assert.equal(scaleOf(100, 8192), 0.5);
});

test("the text grows with the face, and the largest face is on top", () => {
  const row = { label: "happy", faces: [face(100, 50, 240), face(400, 60, 150), face(600, 70, 6)] };
  const { boxes, notes } = marks(row, 1100, 800, 1);
  assert.deepEqual(
    boxes.map(({ text }) => text),
    [40, 25, 11],
  );
  assert.deepEqual(
    notes.map(({ answer }) => answer),
    [...row.faces].reverse(),
  );
});

test("the text has at most a twentieth of the longer side", () => {
  const [{ text }] = marks({ label: "sad", faces: [face(0, 0, 480)] }, 480, 480, 1).boxes;
  assert.equal(text, 24);
});

test("boxes are in pixels of the drawing", () => {
  const [{ place }] = marks({ label: "sad", faces: [face(10, 20, 30)] }, 480, 480, 2).boxes;
  assert.deepEqual(place, { x: 20, y: 40, width: 60, height: 60 });
});

test("without boxes there is a note for the whole photo", () => {
  const row = { label: "no_face", faces: [] };
  const { boxes, notes } = marks(row, 560, 400, 1);
  assert.deepEqual(boxes, []);
  assert.deepEqual(notes, [{ answer: row, place: { x: 0, y: 0, width: 560, height: 400 }, text: 20 }]);
});

test("a photo without an answer has no marks", () => {
  for (const row of [null, { label: null, faces: [], error: {} }])
    assert.deepEqual(marks(row, 480, 480, 1), { boxes: [], notes: [] });
});
