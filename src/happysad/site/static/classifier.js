// Answers for photos: the networks, the details of the classifier, and the rows of schema 2.

import { prepare } from "./inputs.js";
import { among, answering, labelOf, normalised } from "./probability.js";

// Maximum number of rows that go through the network at once.
const ROWS = 32;
// The current names of the outputs that happysad 0.1.0 named differently.
const FORMER = { p_sad: "probabilities", face_p_sad: "face_probabilities" };

/** A classifier of photos. */
export class Classifier {
  #run;
  #yunet;

  /**
   * @param {object} row the classifier as GET /v1/model describes it
   * @param {(inputs: object) => Promise<Record<string, Float32Array>>} run runs its network
   * @param {import("./faces.js").Network} yunet
   */
  constructor(row, run, yunet) {
    this.row = row;
    this.details = row.details;
    this.#run = run;
    this.#yunet = yunet;
  }

  /** The network that finds faces. */
  get yunet() {
    return this.#yunet;
  }

  /** Whether the faces of a photo are found first. */
  get findsFaces() {
    return this.details.looks_at !== "photo";
  }

  /**
   * Answer a photo.
   * @param {import("./photo.js").Photo} photo
   * @param {string[] | null} answers the only answers; null for all classes
   * @returns {Promise<object>} a row of schema 2 without a path
   */
  async predict(photo, answers = null) {
    const found = this.findsFaces ? await photo.faces(this.#yunet) : [];
    return this.predictFound(photo, found, answers);
  }

  /** Answer a photo whose faces are known. */
  async predictFound(photo, found, answers = null) {
    const details = answers ? answering(this.details, answers) : this.details;
    const prepared = prepare(photo, this.details, found);
    const outputs = await this.#outputs(prepared, details.classes);
    const { whole, ofFaces } = prepared.combine(outputs);
    return {
      schema: 2,
      path: null,
      classifier: this.row.id,
      ...answered(details, whole),
      faces: prepared.faces.map(({ x, y, width, height, score }, place) => ({
        ...answered(details, ofFaces[place]),
        ...{ x, y, width, height, score },
      })),
      notes: [],
      error: null,
    };
  }

  async #outputs({ rows, inputs }, classes) {
    const outputs = { probabilities: [], ofFaces: [] };
    for (let start = 0; start < rows; start += ROWS) {
      const end = Math.min(start + ROWS, rows);
      const some = Object.entries(inputs).map(([name, { data, shape }]) => {
        const one = shape.reduce((product, length) => product * length, 1);
        return [name, { data: data.subarray(start * one, end * one), shape: [end - start, ...shape] }];
      });
      const named = await this.#run(Object.fromEntries(some));
      for (const [name, values] of Object.entries(named)) {
        const to = (FORMER[name] ?? name) === "probabilities" ? "probabilities" : "ofFaces";
        const count = to === "probabilities" ? end - start : (end - start) * 8;
        outputs[to].push(...this.#distributions(values, count, classes));
      }
    }
    return outputs;
  }

  /** Return rows of an output as distributions over the classes that may be answered. */
  #distributions(values, count, classes) {
    const every = this.details.classes;
    const places = classes.map((name) => every.indexOf(name));
    const one = values.length / count;
    return Array.from({ length: count }, (_, place) => {
      const row = [...values.subarray(place * one, (place + 1) * one)];
      const both = one === 1 ? [1 - row[0], row[0]] : normalised(row);
      return places.length === every.length ? both : among(both, places);
    });
  }
}

/** Return a label with its probabilities, by class; "no_face" if there are none. */
export function answered(details, values) {
  if (!values) return { label: "no_face", probability: null, probabilities: null };
  const probabilities = Object.fromEntries(details.classes.map((name, at) => [name, values[at]]));
  const label = labelOf(details, values);
  return { label, probability: Math.max(...values), probabilities };
}
