import assert from "node:assert/strict";
import { test } from "node:test";

import { columns, Mood, SECONDS } from "./mood.js";

const LABELS = ["happy", "sad", "unsure"];
const answer = (...labels) => ({ label: labels[0], faces: labels.map((label) => ({ label })) });
const shares = ({ lanes }) => lanes.map(({ share }) => share);

test("without an answer there are no shares", () => {
  const { seconds, lanes } = new Mood().lately(5000, LABELS);
  assert.equal(seconds, 0);
  assert.deepEqual(
    lanes.map(({ share }) => share),
    [null, null, null],
  );
});

test("every second counts the same, however many frames it has", () => {
  const mood = new Mood();
  for (let frame = 0; frame < 30; frame++) mood.add(1000 + 33 * frame, answer("happy"));
  mood.add(2500, answer("sad"));
  const found = mood.lately(2900, LABELS);
  assert.equal(found.seconds, 2);
  assert.deepEqual(shares(found), [0.5, 0.5, 0]);
  assert.deepEqual(found.lanes[0].shares.slice(-3), [0, 1, 0]);
  assert.deepEqual(found.lanes[1].shares.slice(-3), [0, 0, 1]);
});

test("the faces of a frame share its second", () => {
  const mood = new Mood();
  mood.add(0, answer("happy", "happy", "sad", "unsure"));
  assert.deepEqual(shares(mood.lately(0, LABELS)), [0.5, 0.25, 0.25]);
});

test("seconds without an answer are as the last one before, but not after a pause", () => {
  const mood = new Mood();
  for (const second of [10, 13, 20]) mood.add(1000 * second, answer(second === 13 ? "sad" : "happy"));
  const [happy, sad] = mood.lately(20_000, LABELS).lanes;
  assert.deepEqual(happy.shares.slice(-11), [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.deepEqual(sad.shares.slice(-11), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
});

test("seconds without a face are left out", () => {
  const mood = new Mood();
  mood.add(0, answer("happy"));
  for (let second = 1; second < 10; second++) mood.add(1000 * second, { label: "no_face", faces: [] });
  const found = mood.lately(9000, LABELS);
  assert.equal(found.seconds, 10);
  assert.deepEqual(shares(found), [1, 0, 0]);
});

test("a photo without faces has its own label", () => {
  const mood = new Mood();
  mood.add(0, { label: "sad", faces: [] });
  assert.deepEqual(shares(mood.lately(0, LABELS)), [0, 1, 0]);
});

test("after a minute a second is forgotten", () => {
  const mood = new Mood();
  mood.add(0, answer("sad"));
  assert.deepEqual(shares(mood.lately(1000 * (SECONDS - 1), LABELS)), [0, 1, 0]);
  assert.deepEqual(shares(mood.lately(1000 * SECONDS, LABELS)), [null, null, null]);
  mood.add(1000 * SECONDS, answer("happy"));
  const found = mood.lately(1000 * SECONDS, LABELS);
  assert.equal(found.seconds, SECONDS);
  assert.deepEqual(shares(found), [1, 0, 0]);
  assert.equal(found.lanes[0].shares.length, SECONDS);
});

test("columns", () => assert.equal(columns([0, 1, 0.25]), "M1 1V0h1V1zM2 1V0.75h1V1z"));
