// Cut a face out of a photo, upright, as happysad/face_crop.py.

import { partAround } from "./faces.js";
import { grey, resize, round, warp } from "./pixels.js";

const EYES = [
  [0.314, 0.386],
  [0.686, 0.386],
];
const LEAST_SPAN = 0.85;
const SPAN_IN_BOX = [0.2, 0.37, 0.7];
const EYES_IN_BOX = 0.36;

/** Return the square crop of a face, grey or colour, turned upright, with the eyes at `EYES`. */
export function crop(photo, face, size, channels) {
  const { middle, span } = pose(face);
  const [[left, level], [right]] = EYES;
  const step = detail(face, size);
  // From the crop to the photo: a rotation and an enlargement, then a shift.
  const [cos, sin] = [span[0], span[1]].map((value) => (value / length(span)) * step);
  const target = [((left + right) / 2) * size, level * size];
  const placed = (x, y) => {
    const [across, down] = [x - target[0], y - target[1]];
    return [middle[0] + across * cos - down * sin, middle[1] + across * sin + down * cos];
  };
  const corners = [placed(0, 0), placed(0, size), placed(size, 0), placed(size, size)];
  const [part, x, y] = partAround(photo, corners, 2 + 2 * step);
  const near = channels === 1 ? grey(part) : part;
  const small = step > 1 ? shrunk(near, 1 / step) : near;
  const [across, down] = [small.width / near.width, small.height / near.height];
  const [firstX, firstY] = placed(0.5, 0.5);
  const matrix = [
    ...[cos * across, -sin * across, (firstX - x) * across - 0.5],
    ...[sin * down, cos * down, (firstY - y) * down - 0.5],
  ];
  return warp(small, matrix, size);
}

const shrunk = (one, scale) =>
  resize(
    one,
    Math.max(1, round(one.width * scale)),
    Math.max(1, round(one.height * scale)),
    "area",
  );

/** Return the number of the photo's pixels, in each direction, per pixel of a crop. */
export const detail = (face, size) => length(pose(face).span) / ((EYES[1][0] - EYES[0][0]) * size);

const length = ([x, y]) => Math.hypot(x, y);
const mean = ([x, y], [across, down]) => [(x + across) / 2, (y + down) / 2];
const from = ([x, y], [across, down]) => [across - x, down - y];

/** Return the middle between the eyes, and the vector from the left to the right one. */
function pose({ x, y, width, height, landmarks }) {
  const [left, right, , ...mouth] = landmarks;
  const middle = mean(left, right);
  let span = from(left, right);
  const down = from(middle, mean(...mouth));
  const far = length(down);
  if (far) {
    // In a face turned aside, the line between the eyes is short and unreliable.
    const across = [down[1] / far, -down[0] / far];
    const reach = span[0] * across[0] + span[1] * across[1];
    const more = Math.max(0, LEAST_SPAN * far - reach);
    span = [span[0] + across[0] * more, span[1] + across[1] * more];
  }
  const box = [x + width / 2, y + height * EYES_IN_BOX];
  const side = Math.max(width, height);
  const [least, usual, most] = SPAN_IN_BOX.map((share) => share * side);
  const good = least <= length(span) && length(span) <= most;
  if (good && length(from(middle, box)) <= side / 2) return { middle, span };
  return { middle: box, span: [usual, 0] };
}
