// Follow faces from frame to frame, and smooth their answers, as happysad/video/tracking.py.

import { answered } from "./classifier.js";
import { find, findAgain, overlap } from "./faces.js";
import { faceWeights } from "./inputs.js";
import { Photo } from "./photo.js";
import { fromLogs, logs, mean } from "./probability.js";

const SMOOTHING = 0.5;
const FORGET = 0.5;
const OVERLAP = 0.3;
const WHOLE = 0.5;
const FEW = 6;

/** An exponential average of log probabilities over time; the plain mean of the first frames. */
export class Average {
  #logs = null;
  #frames = 0;
  at = 0;

  /** Take in the probabilities of a frame at a time in seconds; return the smoothed ones. */
  add(probabilities, at) {
    this.#frames += 1;
    const share = Math.max(1 / this.#frames, -Math.expm1((this.at - at) / SMOOTHING));
    const before = this.#logs ?? probabilities.map(() => 0);
    this.#logs = logs(probabilities).map((value, place) => before[place] + share * (value - before[place]));
    this.at = at;
    return fromLogs(this.#logs);
  }
}

/** Answers the frames of one stream, one after the other. */
export class Follower {
  #classifier;
  #count = 0;
  #at = 0;
  #shape = "";
  #tracks;
  #last;
  #searched;
  #whole;

  /** @param {import("./classifier.js").Classifier} classifier */
  constructor(classifier) {
    this.#classifier = classifier;
    this.forget();
  }

  /**
   * Answer the next frame.
   * @param {import("./pixels.js").Picture} frame RGB
   * @param {number} at its time in seconds
   * @returns {Promise<object>} the answer, as the server's Live sends it for films: `now` has the
   * probabilities by this frame alone
   */
  async step(frame, at) {
    at = Math.max(this.#at, at);
    const shape = `${frame.width}x${frame.height}`;
    if (shape !== this.#shape) this.forget();
    this.#shape = shape;
    const { details, findsFaces } = this.#classifier;
    const found = findsFaces ? await this.#find(frame, at) : [];
    const view = { pixels: frame, reduced: 1 };
    const now = await this.#classifier.predictFound(new Photo(() => view), found);
    const smoothed = this.#match(found, at).map(({ average, number }, place) => {
      const values = average.add(Object.values(now.faces[place].probabilities), at);
      return { number, values };
    });
    const whole = this.#combined(view, now, found, smoothed, at);
    this.#at = at;
    return {
      faces: now.faces.map((face, place) => ({
        ...face,
        track: smoothed[place].number,
        now: face.probabilities,
        ...answered(details, smoothed[place].values),
      })),
      ...answered(details, whole),
      now: now.probabilities,
      width: frame.width,
      height: frame.height,
    };
  }

  /** Forget all faces, as after a cut: those of the next frame are new. */
  forget() {
    this.#tracks = [];
    this.#last = [];
    this.#searched = -Infinity;
    this.#whole = new Average();
  }

  async #find(frame, at) {
    const known = this.#last;
    if (known.length && known.length <= FEW && at - this.#searched < WHOLE) {
      const faces = await findAgain(frame, known, this.#classifier.yunet);
      if (faces.length >= known.length) return faces;
    }
    this.#searched = at;
    return find(frame, this.#classifier.yunet);
  }

  /** Return the track of each face, matching the pairs that overlap most first. */
  #match(faces, at) {
    const since = Math.min(this.#at, at - FORGET);
    const lately = this.#tracks.filter((track) => track.average.at >= since);
    const box = ({ x, y, width, height }) => [x, y, width, height];
    const pairs = lately
      .flatMap((track) =>
        faces.map((face, place) => ({ track, place, shared: overlap(box(track.face), box(face)) })),
      )
      .filter(({ shared }) => shared >= OVERLAP)
      .sort((one, other) => other.shared - one.shared);
    const chosen = new Map();
    const taken = new Set();
    for (const { track, place } of pairs) {
      if (chosen.has(place) || taken.has(track)) continue;
      chosen.set(place, track);
      taken.add(track);
    }
    const tracks = faces.map((face, place) => {
      const track = chosen.get(place) ?? { number: ++this.#count, average: new Average() };
      track.face = face;
      return track;
    });
    this.#tracks = [...new Set([...lately, ...tracks])];
    this.#last = faces;
    return tracks;
  }

  #combined(view, now, found, smoothed, at) {
    if (this.#classifier.details.looks_at !== "face")
      return this.#whole.add(Object.values(now.probabilities), at);
    if (!found.length) return null;
    return mean(smoothed.map(({ values }) => values), faceWeights(view, found));
  }
}
