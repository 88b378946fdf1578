// Where boxes and answers are drawn in a photo, by the rules of happysad's drawing.py.

// The minimum and maximum length in pixels of a drawing's longer side: smaller photos are enlarged, so
// that the text can be read, and browsers make no canvas of any size.
const LEAST_SIDE = 480;
const MOST_SIDE = 4096;
// The height of the text as a share of a face's width, and its minimum and maximum as shares of the
// photo's longer side; that of an answer for the whole photo; and its minimum in pixels.
const OF_FACE = 1 / 6;
const OF_PHOTO = 1 / 110;
const MOST_OF_PHOTO = 1 / 20;
const WHOLE = 1 / 28;
const LEAST_TEXT = 11;

/** Return the scale at which a photo is drawn. */
export function scaleOf(width, height) {
  const longest = Math.max(width, height);
  return Math.min(MOST_SIDE / longest, Math.max(1, LEAST_SIDE / longest));
}

/**
 * Return what is drawn: the boxes of the faces, then the notes, with that of the largest face last,
 * on top of the others; for a photo without boxes, its answer in the upper left corner.
 * @param {object | null} row the photo's row
 * @param {number} width that of the drawing
 * @param {number} height that of the drawing
 * @param {number} factor the scale of the drawing
 * @returns {{boxes: object[], notes: object[]}} each with the `answer`, its `place` and the height of
 *   the `text`, all in pixels of the drawing
 */
export function marks(row, width, height, factor) {
  if (!row?.label) return { boxes: [], notes: [] };
  const longest = Math.max(width, height);
  const least = Math.max(LEAST_TEXT, longest * OF_PHOTO);
  if (!row.faces.length) {
    const place = { x: 0, y: 0, width, height };
    return { boxes: [], notes: [{ answer: row, place, text: Math.max(LEAST_TEXT, longest * WHOLE) }] };
  }
  const boxes = row.faces.map((answer) => {
    const [x, y, wide, high] = [answer.x, answer.y, answer.width, answer.height].map((v) => factor * v);
    const text = Math.min(Math.max(least, wide * OF_FACE), longest * MOST_OF_PHOTO);
    return { answer, place: { x, y, width: wide, height: high }, text };
  });
  return { boxes, notes: [...boxes].reverse() };
}
