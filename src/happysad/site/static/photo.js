// A photo whose pixels are read only as large as needed, as happysad/photo.py.

import { crop, detail } from "./crops.js";
import { find, scaledFace, stretch } from "./faces.js";

const SEARCHED = 1000;
const PER_PIXEL = 1.25;
const PER_SIDE = 4;

/** A photo at a size: `reduced` is the ratio of the full sides to those of `pixels`. */
export class Photo {
  #read;
  #seen = null;
  #asked = 0;

  /** @param {(least: number) => {pixels: object, reduced: number}} read reads a view */
  constructor(read) {
    this.#read = read;
  }

  /** Return a view whose longer side has at least `least` pixels, or the whole photo. */
  view(least) {
    const seen = this.#seen;
    const short = seen && Math.max(seen.pixels.width, seen.pixels.height) < least;
    if (!seen || (least > this.#asked && seen.reduced > 1 && short)) {
      this.#asked = least;
      this.#seen = this.#read(least);
    }
    return this.#seen;
  }

  /** Return the pixels of which a small square is made. */
  whole(size) {
    return this.view(PER_SIDE * size).pixels;
  }

  /** Return the pixels at full size. */
  full() {
    return this.view(Infinity).pixels;
  }

  /** Return the faces, the largest first, in pixels of the full-size photo. */
  async faces(network) {
    const first = this.view(SEARCHED);
    const { pixels, reduced } = this.view(SEARCHED * stretch(first.pixels));
    return find(pixels, network, reduced);
  }

  /** Return a view large enough for face crops, and the faces in pixels of the view. */
  close(faces, size) {
    const { pixels, reduced } = this.view(SEARCHED);
    const longest = Math.max(pixels.width, pixels.height) * reduced;
    const least = Math.max(0, ...faces.map((face) => PER_PIXEL / detail(face, size)));
    const view = this.view(longest * Math.min(1, least));
    return { view, there: faces.map((face) => scaledFace(face, 1 / view.reduced)) };
  }
}

/** Return the reduction of a photo, 1, 2, 4 or 8, so that its longer side keeps `least` pixels. */
export function reduction(width, height, least) {
  const wanted = (by) => Math.max(width, height) / by >= least && Math.min(width, height) >= by;
  return [8, 4, 2].find(wanted) ?? 1;
}

/** Return the crops of faces in a row of bytes. */
export function crops(pixels, faces, size, channels) {
  const one = size * size * channels;
  const data = new Uint8Array(faces.length * one);
  faces.forEach((face, place) => data.set(crop(pixels, face, size, channels).data, place * one));
  return data;
}
