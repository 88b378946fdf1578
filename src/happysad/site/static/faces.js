// Find the faces of a photo with YuNet, as happysad/face_detection.py; the constants are explained
// there and in docs/decisions.md.

import { halved, part, paste, picture, resize, round, turned } from "./pixels.js";

const SCORE = 0.8;
const COARSE = [256, 5];
const USUAL = [640, 2];
const [FILLS, SURE, TILT] = [0.3, 0.85, 0.12];
const LARGEST = 400;
const [FAR, SMALL] = [1280, 40];
const [CONVINCING, HINT, NEAR, TURNED, CLEARLY] = [0.9, 0.5, 112, 384, 2];
const LEAST_SIDE = 12;
const [AROUND, AGAIN] = [2, 160];
const OVERLAP = 0.3;
const STRIDES = [8, 16, 32];

/**
 * A face in pixels of the photo, as happysad.face_detection.Face.
 * @typedef {{x: number, y: number, width: number, height: number, landmarks: number[][],
 * score: number}} Face
 */

/**
 * The network: takes BGR planes, and returns its outputs by name.
 * @typedef {(planes: Float32Array, width: number, height: number) =>
 * Promise<Record<string, Float32Array>>} Network
 */

/** Return how many times as long a photo is searched as a photo of usual shape. */
export function stretch({ width, height }) {
  const ratio = Math.max(width, height) / Math.min(width, height);
  return Math.min(Math.max(1, Math.sqrt(ratio / 2)), 4);
}

/**
 * Find every face in a photo.
 * @param {import("./pixels.js").Picture} photo RGB
 * @param {Network} network
 * @param {number} reduced the ratio of the full-size photo's sides to those of `photo`
 * @returns {Promise<Face[]>} the largest first, in pixels of the full-size photo
 */
export async function find(photo, network, reduced = 1) {
  let rows = await searchAll(photo, network);
  if (best(rows) < CONVINCING) {
    const turn = await turnOf(photo, rows, network);
    const other = turn ? await searchTurned(photo, turn, network) : [];
    if (best(other) > best(rows)) rows = other;
  }
  return facesOf(rows.map((row) => row.map((value, at) => (at < 14 ? value * reduced : value))));
}

/** Find the faces of a frame that are near the faces of an earlier frame. */
export async function findAgain(frame, known, network) {
  const found = [];
  for (const face of known) {
    const [near, left, top] = around(frame, face);
    const scale = Math.min(AGAIN / Math.max(near.width, near.height), COARSE[1]);
    for (const row of await search(near, scale, network)) found.push(moved(row, left, top));
  }
  return facesOf(found);
}

const moved = (row, left, top) =>
  row.map((value, at) => {
    if (at === 2 || at === 3 || at === 14) return value;
    return value + (at % 2 ? top : left);
  });

/** Return the part of a picture between corners, with its left and upper side in the picture. */
export function partAround(one, corners, margin) {
  const range = (values, length) => {
    const start = Math.min(Math.max(Math.floor(Math.min(...values) - margin), 0), length - 1);
    const end = Math.max(Math.min(Math.ceil(Math.max(...values) + margin), length), start + 1);
    return [start, end];
  };
  const [left, right] = range(corners.map(([x]) => x), one.width);
  const [top, bottom] = range(corners.map(([, y]) => y), one.height);
  return [part(one, left, top, right - left, bottom - top), left, top];
}

function around(photo, { x, y, width, height }) {
  const half = (Math.max(width, height) * AROUND) / 2;
  const [across, down] = [x + width / 2, y + height / 2];
  const corners = [
    [across - half, down - half],
    [across + half, down + half],
  ];
  return partAround(photo, corners, 0);
}

async function searchAll(photo, network) {
  const longest = Math.max(photo.width, photo.height) / stretch(photo);
  const [coarse, usual] = [COARSE, USUAL].map(([side, most]) => Math.min(side / longest, most));
  let rows = distinct(await search(photo, coarse, network));
  const straight = (row) => Math.abs(row[7] - row[5]) <= TILT * Math.abs(row[6] - row[4]);
  const fills = (row) => straight(row) && row[14] >= SURE && row[3] >= FILLS * longest;
  if (rows.some(fills)) return rows;
  // The next search finds the eyes of tilted faces more exactly.
  if (usual > coarse) rows = rows.filter((row) => straight(row) || row[3] * usual > LARGEST);
  rows = [...rows, ...(await search(photo, usual, network))];
  const small = !rows.length || Math.min(...rows.map((row) => row[3])) < SMALL / usual;
  if (longest > USUAL[0] && small)
    rows = [...rows, ...(await search(photo, Math.min(1, FAR / longest), network))];
  return rows;
}

async function searchTurned(photo, turn, network) {
  let rows = await searchAll(turned(photo, turn), network);
  for (let left = turn - 1; left >= 0; left--) {
    const width = left % 2 ? photo.height : photo.width;
    rows = rows.map((row) => turnedBack(row, width));
  }
  return rows;
}

function turnedBack(row, width) {
  const [x, y, across, down] = row;
  const back = [width - y - down, x, down, across];
  for (let at = 4; at < 14; at += 2) back.push(width - row[at + 1], row[at]);
  return [...back, row[14]];
}

/** Return the number of quarter turns that probably make the faces upright. */
async function turnOf(photo, rows, network) {
  let found;
  if (rows.length) {
    const likeliest = rows.reduce((one, other) => (other[14] > one[14] ? other : one));
    const [near] = around(photo, faceOf(likeliest));
    const scale = Math.min(NEAR / Math.max(near.width, near.height), COARSE[1]);
    found = await scoresOfTurns(scaled(near, scale), network);
  } else {
    const longest = Math.max(photo.width, photo.height) / stretch(photo);
    const small = scaled(photo, Math.min(TURNED / longest, USUAL[1]));
    found = [];
    for (let turn = 0; turn < 4; turn++) {
      const position = await detect(turned(small, turn), HINT, network);
      found.push(position.map((row) => row[14]));
    }
  }
  const good = found.map((scores) => scores.reduce((sum, score) => sum + score ** 16, 0));
  const top = good.indexOf(Math.max(...good));
  return good[top] > CLEARLY * good[0] ? top : 0;
}

async function scoresOfTurns(small, network) {
  const side = Math.max(small.width, small.height);
  const square = picture(side, side, 3);
  paste(square, small, 0, 0);
  const four = picture(2 * side, 2 * side, 3);
  for (let turn = 0; turn < 4; turn++)
    paste(four, turned(square, turn), side * (turn % 2), side * (turn >> 1));
  const scores = [[], [], [], []];
  for (const [x, y, width, height, ...rest] of await detect(four, HINT, network)) {
    const turn = 2 * (y + height / 2 > side) + (x + width / 2 > side);
    scores[turn].push(rest.at(-1));
  }
  return scores;
}

const best = (rows) => rows.reduce((most, row) => Math.max(most, row[14]), 0);

async function search(photo, scale, network) {
  const input = scaled(photo, scale);
  const [across, down] = [photo.width / input.width, photo.height / input.height];
  const rows = await detect(input, SCORE, network);
  return rows.map((row) =>
    row.map((value, at) => (at === 14 ? value : value * (at % 2 ? down : across))),
  );
}

/** Return a photo at a scale: halved as often as possible, then interpolated; or enlarged. */
export function scaled(photo, scale) {
  const width = Math.max(1, round(photo.width * scale));
  const height = Math.max(1, round(photo.height * scale));
  if (scale >= 1) return resize(photo, width, height, "cubic");
  for (; scale <= 0.5 && Math.min(photo.width, photo.height) > 1; scale *= 2) photo = halved(photo);
  return resize(photo, width, height, "linear");
}

/** Return the detections in an RGB picture: x, y, width, height, ten of the landmarks, the score. */
async function detect(image, score, network) {
  const { planes, width, height } = planesOf(image);
  return decode(await network(planes, width, height), width, score);
}

/** Return an RGB picture as BGR planes whose sides are multiples of 32, black where it ends. */
export function planesOf({ data, width, height }) {
  const wide = Math.ceil(width / 32) * 32;
  const high = Math.ceil(height / 32) * 32;
  const planes = new Float32Array(3 * wide * high);
  for (let y = 0, from = 0; y < height; y++) {
    for (let to = y * wide, end = to + width; to < end; to++, from += 3) {
      planes[to] = data[from + 2];
      planes[wide * high + to] = data[from + 1];
      planes[2 * wide * high + to] = data[from];
    }
  }
  return { planes, width: wide, height: high };
}

/**
 * Decode the network's outputs, as OpenCV's face_detect.cpp.
 * @param {Record<string, Float32Array>} outputs
 * @param {number} width the input's width
 * @param {number} score the minimum score
 */
export function decode(outputs, width, score) {
  const rows = [];
  for (const stride of STRIDES) {
    const [classes, objects, boxes, points] = ["cls", "obj", "bbox", "kps"].map(
      (what) => outputs[`${what}_${stride}`],
    );
    const columns = width / stride;
    for (let place = 0; place < classes.length; place++) {
      const sure = Math.sqrt(share(classes[place]) * share(objects[place]));
      if (sure < score) continue;
      const [column, line] = [place % columns, Math.floor(place / columns)];
      const [x, y, logWide, logHigh] = boxes.subarray(4 * place, 4 * place + 4);
      const [wide, high] = [Math.exp(logWide), Math.exp(logHigh)];
      const row = [column + x - wide / 2, line + y - high / 2, wide, high];
      for (let at = 0; at < 10; at++) row.push(points[10 * place + at] + (at % 2 ? line : column));
      rows.push([...row.map((value) => value * stride), sure]);
    }
  }
  return rows;
}

const share = (value) => Math.min(Math.max(value, 0), 1);

function facesOf(rows) {
  const kept = distinct(rows.filter((row) => Math.max(row[2], row[3]) >= LEAST_SIDE));
  return kept
    .map(faceOf)
    .sort(
      (one, other) =>
        other.width * other.height - one.width * one.height ||
        other.score - one.score ||
        one.x - other.x ||
        one.y - other.y,
    );
}

/** Keep the most confident of several detections of the same face. */
export function distinct(rows) {
  const kept = [];
  for (const row of [...rows].sort((one, other) => other[14] - one[14]))
    if (kept.every((other) => overlap(row, other) <= OVERLAP)) kept.push(row);
  return kept;
}

/** Return the intersection over the union of two boxes: x, y, width, height. */
export function overlap([x, y, width, height], [left, top, wide, high]) {
  const across = Math.max(0, Math.min(x + width, left + wide) - Math.max(x, left));
  const down = Math.max(0, Math.min(y + height, top + high) - Math.max(y, top));
  return (across * down) / (width * height + wide * high - across * down);
}

const hundredths = (value) => Math.round(value * 100) / 100;

function faceOf(row) {
  const [x, y, width, height, ...points] = row.slice(0, 14).map(hundredths);
  const landmarks = [0, 2, 4, 6, 8].map((at) => [points[at], points[at + 1]]);
  return { x, y, width, height, landmarks, score: Math.round(row[14] * 10000) / 10000 };
}

/** Return a face in the coordinates of a photo `factor` times larger. */
export const scaledFace = (face, factor) => ({
  x: face.x * factor,
  y: face.y * factor,
  width: face.width * factor,
  height: face.height * factor,
  landmarks: face.landmarks.map(([x, y]) => [x * factor, y * factor]),
  score: face.score,
});
