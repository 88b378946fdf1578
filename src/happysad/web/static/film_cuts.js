// The cuts of a film, and its fades from one shot to the next, as happysad/video/cuts.py finds them;
// the constants are explained there and in docs/decisions.md.

const [SIDE, BLOCK, SHIFT] = [64, 8, 4];
const FLOOR = 8;
const [CUT, SUDDEN, TIMES, FRAMES] = [0.3, 0.1, 3, 8];
// Pictures here are about a tenth of a second apart, two or three frames of the film.
const [LAGS, FADE, LEFT_OVER] = [[4, 12], 0.35, 0.2];
const PADDED = SIDE + 2 * SHIFT;

/**
 * Return how much of a picture is new, whatever moved or became brighter.
 * @param {Float32Array} before grey, 64 times 64 pixels
 * @param {Float32Array} now the same
 * @returns {number} 0 for the same picture, usually above 0.4 for pictures of different things
 */
export function difference(before, now) {
  const level = mean(now);
  const padded = edged(before);
  const across = SIDE / BLOCK;
  const best = new Float32Array(across * across).fill(Infinity);
  const apart = new Float32Array(best.length);
  for (let down = 0; down <= 2 * SHIFT; down++) {
    for (let right = 0; right <= 2 * SHIFT; right++) {
      const offset = levelAt(padded, down, right) - level;
      apart.fill(0);
      for (let y = 0; y < SIDE; y++) {
        const from = (y + down) * PADDED + right;
        const block = Math.floor(y / BLOCK) * across;
        for (let x = 0; x < SIDE; x++)
          apart[block + (x >> 3)] += Math.abs(padded[from + x] - offset - now[y * SIDE + x]);
      }
      apart.forEach((sum, place) => (best[place] = Math.min(best[place], sum)));
    }
  }
  return mean(best) / BLOCK ** 2 / ((deviation(before) + deviation(now)) / 2 + FLOOR);
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values) {
  const level = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - level) ** 2)));
}

/** Return a picture with its edges repeated. */
function edged(one) {
  const kept = (place) => Math.min(Math.max(place - SHIFT, 0), SIDE - 1);
  const made = new Float32Array(PADDED * PADDED);
  for (let y = 0; y < PADDED; y++)
    for (let x = 0; x < PADDED; x++) made[y * PADDED + x] = one[kept(y) * SIDE + kept(x)];
  return made;
}

/** Return the mean of a part of a picture with its edges repeated. */
function levelAt(padded, down, right) {
  let sum = 0;
  for (let y = down; y < down + SIDE; y++)
    for (let x = right; x < right + SIDE; x++) sum += padded[y * PADDED + x];
  return sum / SIDE ** 2;
}

/** Return whether a picture looks like two others, one over the other, as in a fade. */
function isMixture(between, before, now) {
  let [shared, squares] = [0, 0];
  for (let at = 0; at < now.length; at++) {
    const change = now[at] - before[at];
    shared += (between[at] - before[at]) * change;
    squares += change * change;
  }
  const share = shared / Math.max(1, squares);
  let [left, all] = [0, 0];
  for (let at = 0; at < now.length; at++) {
    const change = now[at] - before[at];
    left += Math.abs(between[at] - before[at] - share * change);
    all += Math.abs(change);
  }
  return share > 0.25 && share < 0.75 && left < LEFT_OVER * all;
}

/** Tells a cut or a fade from motion and changes of light, picture by picture. */
export class CutDetector {
  #pictures = [];
  #recent = [];

  /** Return whether a cut, or the middle of a fade, lies just before a picture of 64 times 64 pixels. */
  step(grey) {
    const before = this.#pictures.at(-1);
    this.#pictures = [...this.#pictures, grey].slice(-1 - Math.max(...LAGS));
    if (!before) return false;
    const now = difference(before, grey);
    const usual = TIMES * Math.max(...this.#recent);
    const sudden = this.#recent.length === FRAMES && now > Math.max(SUDDEN, usual);
    const fade = this.#isFade();
    if (fade) this.#pictures = [grey];
    const cut = now > CUT || sudden || fade;
    this.#recent = cut ? [] : [...this.#recent, now].slice(-FRAMES);
    return cut;
  }

  #isFade() {
    const now = this.#pictures.at(-1);
    return LAGS.some((lag) => {
      const before = this.#pictures.at(-1 - lag);
      if (!before) return false;
      const between = this.#pictures.at(-1 - lag / 2);
      return isMixture(between, before, now) && difference(before, now) > FADE;
    });
  }
}

/** Return a picture of four times 64 pixels on each side, RGBA, as 64 times 64 grey pixels. */
export function small(rgba) {
  const made = new Float32Array(SIDE * SIDE);
  for (let y = 0, from = 0; y < 4 * SIDE; y++) {
    for (let x = 0; x < 4 * SIDE; x++, from += 4) {
      const level = 0.299 * rgba[from] + 0.587 * rgba[from + 1] + 0.114 * rgba[from + 2];
      made[(y >> 2) * SIDE + (x >> 2)] += level / 16;
    }
  }
  return made;
}
