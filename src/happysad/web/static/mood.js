// The mood over the last minute: how often each label was given, second by second.

/** The number of seconds that are shown. */
export const SECONDS = 60;

// Seconds without an answer, if a computer is slow, are counted as the last one before them; more
// than these, as after a pause, stay empty.
const SLOW = 3;

/** Counts the labels of the answers to the frames of one stream. */
export class Mood {
  #seconds = new Map();
  #first = null;
  #last = null;

  /**
   * Take in the answer to a frame: the labels of its faces, or that of the whole photo if the
   * classifier finds no faces.
   * @param {number} at milliseconds
   * @param {{label: string, faces: {label: string}[]}} answer
   */
  add(at, { label, faces }) {
    const second = Math.floor(at / 1000);
    this.#first ??= second;
    this.#last ??= second;
    for (const old of this.#seconds.keys()) if (old <= second - SECONDS) this.#seconds.delete(old);
    const labels = faces.length ? faces.map((face) => face.label) : [label];
    if (second - this.#last <= SLOW)
      for (let between = this.#last + 1; between < second; between++)
        this.#seconds.set(between, this.#seconds.get(this.#last));
    this.#last = second;
    const counts = this.#seconds.get(second) ?? new Map();
    this.#seconds.set(second, counts);
    for (const one of labels.filter((one) => one !== "no_face"))
      counts.set(one, (counts.get(one) ?? 0) + 1);
  }

  /**
   * Return the shares of labels over the last minute, in which every second with a face counts the
   * same.
   * @param {number} now milliseconds
   * @param {string[]} labels
   * @returns {{seconds: number, lanes: {label: string, share: number | null, shares: number[]}[]}}
   *   the number of seconds since the first answer, at most SECONDS; for each label its share, null
   *   if no face was seen, and its share in each second, from the oldest to this one
   */
  lately(now, labels) {
    const last = Math.floor(now / 1000);
    const columns = Array.from(
      { length: SECONDS },
      (_, place) => this.#seconds.get(last - SECONDS + 1 + place) ?? new Map(),
    ).map((counts) => ({ counts, sum: [...counts.values()].reduce((all, one) => all + one, 0) }));
    const seen = columns.filter(({ sum }) => sum).length;
    const lanes = labels.map((label) => {
      const shares = columns.map(({ counts, sum }) => (counts.get(label) ?? 0) / (sum || 1));
      const share = seen ? shares.reduce((all, one) => all + one, 0) / seen : null;
      return { label, share, shares };
    });
    const seconds = this.#first === null ? 0 : Math.min(SECONDS, last - this.#first + 1);
    return { seconds, lanes };
  }
}

/** Return the outline of shares, one column for each, in a box as wide as there are shares, 1 high. */
export const columns = (shares) =>
  shares
    .map((share, place) => (share ? `M${place} 1V${+(1 - share).toFixed(3)}h1V1z` : ""))
    .join("");
