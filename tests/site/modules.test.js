// Compares the modules of a published site with what Python answers: tests/test_site_modules.py copies
// the modules and this file into a folder and writes vectors.json beside them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Classifier } from "./classifier.js";
import { crop } from "./crops.js";
import { decode, distinct, find, planesOf, scaled, stretch } from "./faces.js";
import { Follower } from "./follower.js";
import { faceWeights } from "./inputs.js";
import { Photo, reduction } from "./photo.js";
import * as pixels from "./pixels.js";
import * as probability from "./probability.js";

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url)));

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const floats = (text) => new Float32Array(bytes(text).buffer);
const pictureOf = ({ data, width, height, channels }) =>
  pixels.picture(width, height, channels, bytes(data));

function near(found, expected, most) {
  assert.equal(found.length, expected.length);
  found.forEach((value, at) => {
    const far = Math.abs(value - expected[at]);
    assert.ok(far <= most, `at ${at}: ${value}, not ${expected[at]}`);
  });
}

const photo = pictureOf(vectors.photo);

for (const { way, most, expected } of vectors.resized)
  test(`resize ${way} to ${expected.width}x${expected.height}`, () => {
    const found = pixels.resize(photo, expected.width, expected.height, way);
    near(found.data, bytes(expected.data), most);
  });

test("grey", () => near(pixels.grey(photo).data, bytes(vectors.grey.data), 0));

for (const { scale, expected } of vectors.scaled)
  test(`search at scale ${scale}`, () => near(scaled(photo, scale).data, bytes(expected.data), 1));

for (const { size, channels, expected } of vectors.fitted)
  test(`fit ${size}x${size}x${channels}`, () =>
    near(pixels.fit(photo, size, channels).data, bytes(expected), 1));

for (const { way, channels, expected } of vectors.sampled)
  test(`sample ${way} with ${channels} channels`, () =>
    near(pixels.sample(photo, 16, channels, way), floats(expected), 1e-3));

test("turn counterclockwise", () =>
  near(pixels.turned(photo, 3).data, bytes(vectors.turned.data), 0));

test("read in strips, by blocks", () => {
  const [width, height] = [5, 300];
  const rgba = Uint8ClampedArray.from({ length: 4 * width * height }, (_, at) => (at * 7) % 256);
  const read = (top, rows) => rgba.subarray(4 * width * top, 4 * width * (top + rows));
  const whole = pixels.reduced(read, width, height, 1);
  assert.deepEqual([...whole.data.slice(0, 6)], [0, 7, 14, 28, 35, 42]);
  const small = pixels.reduced(read, width, height, 2);
  assert.deepEqual([small.width, small.height], [3, 150]);
  const at = (x, y) => rgba[4 * (y * width + x)];
  const last = (at(4, 298) + at(4, 299)) / 2;
  assert.equal(small.data[(149 * 3 + 2) * 3], Math.floor(last + 0.5));
});

test("planes are BGR and end black", () => {
  const { planes, width, height } = planesOf(pixels.picture(2, 1, 3, new Uint8Array([1, 2, 3, 4, 5, 6])));
  assert.deepEqual([width, height], [32, 32]);
  assert.deepEqual([...planes.slice(0, 3)], [3, 6, 0]);
  assert.deepEqual([...planes.slice(2048, 2051)], [1, 4, 0]);
});

/** Answers for the whole picture of the face as YuNet does; finds nothing in others. */
const network = async (planes, width, height) => {
  if (width !== vectors.face.width || height !== vectors.face.height) return nothing();
  return Object.fromEntries(
    Object.entries(vectors.outputs).map(([name, text]) => [name, floats(text)]),
  );
};

test("find a face", async () => {
  const found = await find(pictureOf(vectors.face), network);
  assert.equal(found.length, 1);
  const [{ landmarks, ...box }] = found;
  near(landmarks.flat(), vectors.found.landmarks.flat(), 0.011);
  for (const [name, value] of Object.entries(box)) near([value], [vectors.found[name]], 0.011);
});

test("a face below the minimum score is left out", async () => {
  const outputs = await network(null, vectors.face.width, vectors.face.height);
  assert.ok(decode(outputs, vectors.face.width, 0.8).length);
  assert.deepEqual(decode(outputs, vectors.face.width, 1.1), []);
});

test("keep each face once", () => {
  const rows = vectors.boxes.map((box) => [...box.slice(0, 4), ...Array(10).fill(0), box[4]]);
  assert.deepEqual(
    distinct(rows).map((row) => rows.indexOf(row)),
    vectors.kept,
  );
});

test("panoramas are searched at a larger size", () => {
  const shapes = [[800, 600], [800, 100], [800, 1]];
  assert.deepEqual(shapes.map(([width, height]) => stretch({ width, height })), [1, 2, 4]);
});

for (const [at, { face, size, expected }] of vectors.crops.entries())
  test(`crop ${at} to ${size} pixels`, () => {
    near(crop(photo, face, size, 3).data, bytes(expected), 2);
  });

test("a view is reduced as far as it stays large enough", () => {
  assert.deepEqual(
    [[4000, 3000, 1000], [4000, 3000, 1001], [4000, 3000, 400], [900, 600, 1000]].map((one) => reduction(...one)),
    [4, 2, 8, 1],
  );
  const asked = [];
  const opened = new Photo((least) => {
    asked.push(least);
    return { pixels: { width: 500, height: 400 }, reduced: 8 };
  });
  opened.view(400);
  opened.view(300);
  opened.view(2000);
  opened.view(2000);
  assert.deepEqual(asked, [400, 2000]);
});

for (const { rows, weights, expected } of vectors.means)
  test(`mean of ${rows.length}`, () => near(probability.mean(rows, weights), expected, 1e-12));

for (const { values, places, expected } of vectors.among)
  test(`among ${places}`, () => near(probability.among(values, places), expected, 1e-12));

for (const { details, answers, values, label } of vectors.labels)
  test(`label of ${values} among ${answers}`, () => {
    assert.equal(probability.labelOf(probability.answering(details, answers), values), label);
  });

for (const { view, faces, expected } of vectors.weights)
  test(`weights of ${faces.length} faces`, () => near(faceWeights(view, faces), expected, 1e-6));

/** A network whose answer depends on the mean of its input, as that of Python's vectors. */
const brightness = async ({ image: { data, shape } }) => {
  const one = data.length / shape[0];
  const values = Float32Array.from({ length: shape[0] }, (_, row) => {
    const sum = data.subarray(row * one, (row + 1) * one).reduce((all, value) => all + value, 0);
    return 1 / (1 + Math.exp(-0.1 * (sum / one - 128)));
  });
  return { probabilities: values };
};

const grounds = (level) => pixels.picture(32, 24, 3, new Uint8Array(32 * 24 * 3).fill(level));

test("smoothing over time", async () => {
  const follower = new Follower(new Classifier(vectors.classifier, brightness, network));
  for (const { level, at, label, probabilities } of vectors.stream) {
    const answer = await follower.step(grounds(level), at);
    assert.equal(answer.label, label);
    near(Object.values(answer.probabilities), probabilities, 1e-5);
  }
});

test("the answer for a photo with a face", async () => {
  const row = { ...vectors.classifier, details: { ...vectors.classifier.details, looks_at: "face" } };
  const classifier = new Classifier(row, brightness, network);
  const face = pictureOf(vectors.face);
  const answer = await classifier.predict(new Photo(() => ({ pixels: face, reduced: 1 })));
  assert.equal(answer.label, vectors.answer.label);
  near(Object.values(answer.probabilities), Object.values(vectors.answer.probabilities), 0.02);
  assert.equal(answer.faces.length, 1);
  const none = await new Classifier(row, brightness, async () => nothing()).predict(
    new Photo(() => ({ pixels: grounds(200), reduced: 1 })),
  );
  assert.equal(none.label, "no_face");
  assert.equal(none.probabilities, null);
});

/** The outputs of YuNet where it finds no face. */
const nothing = () =>
  Object.fromEntries(Object.keys(vectors.outputs).map((name) => [name, new Float32Array(0)]));

test("many faces go through the network in small batches", async () => {
  const sizes = [];
  const run = async (inputs) => {
    sizes.push(inputs.image.shape[0]);
    return brightness(inputs);
  };
  const row = { ...vectors.classifier, details: { ...vectors.classifier.details, looks_at: "face" } };
  const found = Array.from({ length: 70 }, () => vectors.found);
  const view = { pixels: pictureOf(vectors.face), reduced: 1 };
  const answer = await new Classifier(row, run, network).predictFound(new Photo(() => view), found);
  assert.deepEqual(sizes, [32, 32, 6]);
  assert.equal(answer.faces.length, 70);
});

test("a network that looks at both gets its faces in rows", async () => {
  const shapes = [];
  const run = async ({ faces, weights, photo: small }) => {
    shapes.push(faces.shape, weights.shape, small.shape);
    const rows = faces.shape[0];
    return {
      p_sad: new Float32Array(rows).fill(0.75),
      face_p_sad: Float32Array.from({ length: 8 * rows }, (_, at) => at / 100),
    };
  };
  const row = { ...vectors.classifier, details: { ...vectors.classifier.details, looks_at: "both" } };
  const found = Array.from({ length: 9 }, () => vectors.found);
  const view = { pixels: pictureOf(vectors.face), reduced: 1 };
  const answer = await new Classifier(row, run, network).predictFound(new Photo(() => view), found);
  assert.deepEqual(shapes, [[2, 8, 16, 16, 3], [2, 8], [2, 64, 64, 3]]);
  near(Object.values(answer.probabilities), [0.25, 0.75], 1e-6);
  near([answer.faces.length, answer.faces[8].probabilities.sad], [9, 0.08], 1e-6);
});
