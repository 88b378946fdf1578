// Boxes and answers on a canvas, with the colours and lines of happysad's drawings: over the video of
// Live, and in a photo.

import { line } from "./label.js";
import { look } from "./model.js";
import { marks, scaleOf } from "./marks.js";

// The height of the text over the video in pixels.
const TEXT = 15;

/** Draw the faces of an answer, or clear the canvas if there is none; texts are never mirrored. */
export function drawFaces(canvas, answer, mirrored) {
  const sharp = window.devicePixelRatio || 1;
  const { clientWidth, clientHeight } = canvas;
  const wide = Math.round(clientWidth * sharp);
  const high = Math.round(clientHeight * sharp);
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  const brush = canvas.getContext("2d");
  brush.setTransform(1, 0, 0, 1, 0, 0);
  brush.clearRect(0, 0, wide, high);
  if (!answer) return;
  // The whole video is visible, centred in its element.
  const factor = Math.min(clientWidth / answer.width, clientHeight / answer.height);
  const left = (clientWidth - factor * answer.width) / 2;
  const top = (clientHeight - factor * answer.height) / 2;
  brush.setTransform(sharp, 0, 0, sharp, 0, 0);
  // The largest face is drawn last, on top of the others.
  for (const face of [...answer.faces].reverse()) {
    const x = mirrored ? answer.width - face.x - face.width : face.x;
    const place = {
      x: left + factor * x,
      y: top + factor * face.y,
      width: factor * face.width,
      height: factor * face.height,
    };
    box(brush, face, place, TEXT);
    note(brush, face, place, TEXT, { left, top, right: left + factor * answer.width });
  }
}

/**
 * Draw a photo with its boxes and answers; small photos are enlarged, and very large ones reduced.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLImageElement} image loaded
 * @param {object | null} row the photo's row; null for the photo alone
 */
export function drawPhoto(canvas, image, row) {
  const { naturalWidth, naturalHeight } = image;
  const factor = scaleOf(naturalWidth, naturalHeight);
  canvas.width = Math.round(factor * naturalWidth);
  canvas.height = Math.round(factor * naturalHeight);
  const brush = canvas.getContext("2d");
  brush.fillStyle = "white";
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.drawImage(image, 0, 0, canvas.width, canvas.height);
  const room = { left: 0, top: 0, right: canvas.width };
  const { boxes, notes } = marks(row, canvas.width, canvas.height, factor);
  for (const { answer, place, text } of boxes) box(brush, answer, place, text);
  for (const { answer, place, text } of notes) note(brush, answer, place, text, room);
}

function coloursOf({ label }) {
  const style = getComputedStyle(document.documentElement);
  return [`--${look(label)}`, `--on-${look(label)}`].map((one) => style.getPropertyValue(one));
}

function box(brush, answer, { x, y, width, height }, text) {
  const [ground] = coloursOf(answer);
  brush.lineJoin = "round";
  for (const [colour, share] of [
    ["rgb(255 255 255 / 0.7)", 2 / 5],
    [ground, 1 / 5],
  ]) {
    brush.strokeStyle = colour;
    brush.lineWidth = share * text;
    brush.strokeRect(x, y, width, height);
  }
}

/**
 * Write an answer over the upper left corner of a place, within the room; an answer that is wider than
 * the place is broken at its comma.
 */
function note(brush, answer, { x, y, width }, text, { left, top, right }) {
  const [ground, ink] = coloursOf(answer);
  const words = line(answer.label, answer.probabilities);
  const most = right - left;
  const wider = (lines) => Math.max(...lines.map((one) => brush.measureText(one).width));
  brush.font = font(text);
  const lines = wider([words]) + text > width ? words.split(/(?<=,) /) : [words];
  const size = text * Math.min(1, most / (wider(lines) + text));
  brush.font = font(size);
  const wide = Math.min(most, wider(lines) + size);
  const high = (lines.length + 0.5) * size * (10 / 9);
  const at = Math.max(left, Math.min(x - text / 10, right - wide));
  const above = Math.max(top, y - high - text / 15);
  brush.fillStyle = ground;
  brush.fillRect(at, above, wide, high);
  brush.fillStyle = ink;
  brush.textBaseline = "middle";
  brush.textAlign = "center";
  lines.forEach((one, place) =>
    brush.fillText(one, at + wide / 2, above + (high * (place + 0.8)) / (lines.length + 0.5)),
  );
}

const font = (size) => `600 ${size}px system-ui, sans-serif`;
