// Photos with their boxes and answers: enlarged in a dialog, and saved as PNG files.

import { at } from "./dom.js";
import { drawPhoto } from "./draw.js";
import { line } from "./label.js";
import { save } from "./save.js";

let opened = null;

/** Set up the dialog. */
export function start() {
  const dialog = at("large");
  at("large-close").addEventListener("click", () => dialog.close());
  at("large-save").addEventListener("click", () => saveDrawing(opened));
  // A click beside the dialog's content.
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    opened = null;
    // Free its pixels.
    at("large-picture").width = at("large-picture").height = 0;
  });
}

/** Return whether a card's photo has an answer and is one that this browser can show. */
export const drawable = ({ image, row }) => Boolean(row && !row.error && image?.naturalWidth);

/** Show a card's photo as large as the window allows; the focus returns when it is closed. */
export function enlarge(card) {
  opened = card;
  const { file, image, row } = card;
  const picture = at("large-picture");
  drawPhoto(picture, image, row);
  at("large-title").textContent = file.name;
  picture.setAttribute("aria-label", `The photo ${file.name}${row ? `: ${words(row)}` : ""}`);
  at("large-save").disabled = !drawable(card);
  at("large").showModal();
}

function words({ label, probabilities, faces, error }) {
  if (error) return "not read";
  if (!faces.length) return line(label, probabilities);
  return faces.map((face) => line(face.label, face.probabilities)).join("; ");
}

/** Save a card's photo with its boxes and answers as a PNG file. */
export async function saveDrawing({ file, image, row }) {
  const canvas = document.createElement("canvas");
  drawPhoto(canvas, image, row);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  save(blob, `${file.name.replace(/\.[^.]+$/, "")}-drawn.png`);
}
