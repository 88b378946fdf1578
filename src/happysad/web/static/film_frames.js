// Which frames of a film are looked at, and when they are.

// The approximate number of frames to analyse per second of film. Smoothing covers half a second.
const RATE = 10;
// The steps in which the second frame is looked for, the longest search, and a usual frame, in seconds.
const [STEP, SEARCH, USUAL] = [1 / 120, 0.5, 1 / RATE];
// The maximum distance of a frame from its place at a constant rate, in frames: while the length is
// measured, and later.
const [UNEVEN, OFF] = [0.4, 0.3];
// Each further measurement of the frame length spans this many times as many frames as the last one.
const MORE = 8;

/**
 * Measure the frames of a film.
 * @param {(at: number) => Promise<number>} seek goes to a time, and returns that of the frame there
 * @param {number} seconds the film's length
 * @returns {Promise<{start: number, length: number, constant: boolean}>} the time of the first frame;
 * the seconds from a frame to the next, or a usual length if the rate is not seen to be constant
 */
export async function measure(seek, seconds) {
  const start = await seek(0);
  let length = 0;
  for (let at = STEP; !length && at < Math.min(SEARCH, seconds); at += STEP)
    length = Math.max(0, (await seek(start + at)) - start);
  const unknown = { start, length: USUAL, constant: false };
  if (!length) return unknown;
  const most = () => Math.floor(seconds / length) - 1;
  // The last measurement spans the whole film.
  for (let count = MORE; count < MORE * most(); count *= MORE) {
    const span = Math.min(count, most());
    const passed = (await seek(start + (span + 0.5) * length)) - start;
    const whole = Math.round(passed / length);
    // The rate varies, or, as in Firefox, a frame is said to have the time at which it was sought.
    if (!whole || Math.abs(passed / length - whole) > UNEVEN) return unknown;
    length = passed / whole;
  }
  return { start, length, constant: true };
}

/** Return the number n so that every n-th frame is looked at. */
export const every = (length) => Math.max(1, Math.ceil(1 / (RATE * length) - 0.6));

/**
 * Yield the frames of a film that are looked at.
 * @param {(at: number) => Promise<number>} seek
 * @param {number} seconds the film's length
 * @param {{start: number, length: number, constant: boolean}} measured
 * @returns {AsyncGenerator<{number: number | null, at: number}>} the number of each frame in the film,
 * from 0, or null where the rate is not seen to be constant; and its time in seconds from the first
 */
export async function* frames(seek, seconds, { start, length, constant }) {
  const step = every(length);
  let before = -1;
  // In the middle of a frame, whatever its time was rounded to.
  const within = constant ? 0.5 : 0;
  for (let place = 0; place === 0 || start + (place + within) * length < seconds; place += step) {
    const at = (await seek(start + (place + within) * length)) - start;
    // A frame that lasts longer than others is looked at once.
    if (at <= before) {
      constant = false;
      continue;
    }
    before = at;
    constant &&= Math.abs(at / length - place) <= OFF;
    yield { number: constant || place === 0 ? place : null, at };
  }
}
