// Boxes on a canvas over the video, with the colours and lines of happysad's drawings.

import { line } from "./label.js";
import { look } from "./model.js";

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
    box(brush, face, {
      x: left + factor * x,
      y: top + factor * face.y,
      width: factor * face.width,
      height: factor * face.height,
      least: left,
      most: left + factor * answer.width,
      top,
    });
  }
}

function box(brush, face, { x, y, width, height, least, most, top }) {
  const style = getComputedStyle(document.documentElement);
  const name = look(face.label);
  const [ground, ink] = [`--${name}`, `--on-${name}`].map((one) => style.getPropertyValue(one));
  brush.lineJoin = "round";
  for (const [colour, line] of [
    ["rgb(255 255 255 / 0.7)", 6],
    [ground, 3],
  ]) {
    brush.strokeStyle = colour;
    brush.lineWidth = line;
    brush.strokeRect(x, y, width, height);
  }
  const text = line(face.label, face.probabilities);
  brush.font = "600 15px system-ui, sans-serif";
  const wide = brush.measureText(text).width + 14;
  const at = Math.max(least, Math.min(x - 1.5, most - wide));
  const above = Math.max(top, y - 26);
  brush.fillStyle = ground;
  brush.fillRect(at, above, wide, 25);
  brush.fillStyle = ink;
  brush.textBaseline = "middle";
  brush.fillText(text, at + 7, above + 13.5);
}
