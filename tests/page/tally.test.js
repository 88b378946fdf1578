import assert from "node:assert/strict";
import { test } from "node:test";

import { tally } from "./tally.js";

const rows = (...labels) => labels.map((label) => ({ label }));

test("classes come in their order, then unsure, no face and not read", () => {
  const given = rows(null, "no_face", "sad", "unsure", "happy", "sad");
  assert.deepEqual(tally(given, ["happy", "sad"]), [
    ["happy", 1],
    ["sad", 2],
    ["unsure", 1],
    ["no_face", 1],
    [null, 1],
  ]);
  assert.deepEqual(
    tally(given, ["sad", "happy"]).map(([label]) => label),
    ["sad", "happy", "unsure", "no_face", null],
  );
});

test("answers that nobody has are left out", () => {
  assert.deepEqual(tally(rows("sad"), ["happy", "sad"]), [["sad", 1]]);
  assert.deepEqual(tally([], ["happy", "sad"]), []);
});
