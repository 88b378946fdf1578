// The inputs of networks and the combination of their outputs, as happysad/inputs.py.

import { fit, sample } from "./pixels.js";
import { crops } from "./photo.js";
import { mean } from "./probability.js";

const CLEAR = 20;
const FACES = 8;
const PHOTO_SIZE = 64;

/** Return the weight of each face: the square root of its share of the photo's area. */
export function faceWeights({ pixels, reduced }, faces) {
  const whole = pixels.width * pixels.height;
  const clear = faces.map((face) => Math.max(face.width, face.height) * reduced >= CLEAR);
  const some = clear.some(Boolean);
  return faces.map(({ width, height }, place) =>
    some && !clear[place] ? 0 : Math.sqrt(Math.min(1, (width * height) / whole)),
  );
}

/**
 * The inputs of a network for one photo, and how its outputs become the answer.
 * @typedef {{rows: number, faces: object[], inputs: Record<string, {data: ArrayBufferView,
 * shape: number[]}>, combine: (outputs: {probabilities: number[][], ofFaces: number[][]}) =>
 * {whole: number[] | null, ofFaces: number[][]}}} Prepared
 */

/**
 * Prepare a photo for a network.
 * @param {import("./photo.js").Photo} photo
 * @param {object} details the classifier's details
 * @param {object[] | null} found the photo's faces, the largest first; null if it needs none
 * @returns {Prepared}
 */
export function prepare(photo, details, found) {
  return PREPARE[details.looks_at](photo, details, found);
}

const PREPARE = {
  photo(photo, { size, channels, resize }) {
    const data =
      resize === "area"
        ? fit(photo.whole(size), size, channels).data
        : sample(photo.full(), size, channels, resize);
    return {
      rows: 1,
      faces: [],
      inputs: { image: { data, shape: [size, size, channels] } },
      combine: ({ probabilities }) => ({ whole: probabilities[0], ofFaces: [] }),
    };
  },
  face(photo, { size, channels }, faces) {
    const { view, there } = photo.close(faces, size);
    const weights = faceWeights(view, there);
    return {
      rows: faces.length,
      faces,
      inputs: { image: { data: crops(view.pixels, there, size, channels), shape: [size, size, channels] } },
      combine: ({ probabilities }) => ({
        whole: faces.length ? mean(probabilities, weights) : null,
        ofFaces: probabilities,
      }),
    };
  },
  both(photo, { size, channels }, faces) {
    const { view, there } = photo.close(faces, size);
    const rows = Math.max(1, Math.ceil(faces.length / FACES));
    const crop = size * size * channels;
    const cut = new Uint8Array(rows * FACES * crop);
    const weights = new Float32Array(rows * FACES);
    const small = fit(view.pixels, PHOTO_SIZE, 3).data;
    const photos = new Uint8Array(rows * small.length);
    for (let row = 0; row < rows; row++) {
      const some = there.slice(row * FACES, (row + 1) * FACES);
      cut.set(crops(view.pixels, some, size, channels), row * FACES * crop);
      weights.set(faceWeights(view, some), row * FACES);
      photos.set(small, row * small.length);
    }
    return {
      rows,
      faces,
      inputs: {
        faces: { data: cut, shape: [FACES, size, size, channels] },
        weights: { data: weights, shape: [FACES] },
        photo: { data: photos, shape: [PHOTO_SIZE, PHOTO_SIZE, 3] },
      },
      combine: ({ probabilities, ofFaces }) => ({
        whole: probabilities[0],
        ofFaces: ofFaces.slice(0, faces.length),
      }),
    };
  },
};
