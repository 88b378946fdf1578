// Photos with their boxes and answers: enlarged in a dialog, and saved as PNG files or all in one
// archive.

import { at } from "./dom.js";
import { drawPhoto } from "./draw.js";
import { line } from "./label.js";
import { save } from "./save.js";
import { distinct, zip } from "./zip.js";

let opened = null;

/** Set up the dialog. */
export function start() {
  const dialog = at("large");
  at("large-close").addEventListener("click", () => dialog.close());
  at("large-save").addEventListener("click", async () => {
    const card = opened;
    save(await drawing(card), nameOf(card));
  });
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

/** Save the drawings of cards: browsers drop some of many files that are saved at once. */
export async function saveDrawings(cards) {
  const names = distinct(cards.map(nameOf));
  const files = [];
  for (const [place, card] of cards.entries())
    files.push({ name: names[place], blob: await drawing(card) });
  save(await zip(files), "happysad-drawings.zip");
}

const nameOf = ({ file }) => `${file.name.replace(/\.[^.]+$/, "")}-drawn.png`;

/** Return a card's photo with its boxes and answers as a PNG file. */
async function drawing({ image, row }) {
  const canvas = document.createElement("canvas");
  drawPhoto(canvas, image, row);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
