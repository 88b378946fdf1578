// One photo's card: the photo with its boxes, its label, its faces, and what decided.

import { counted, h, s } from "./dom.js";
import { enlarge } from "./drawings.js";
import * as engine from "./engine.js";
import { line, scale, shown, why } from "./label.js";
import { look } from "./model.js";

let number = 0;

/** Make the card of a file that has no answer yet. */
export function answerCard(file) {
  const id = `answer-${++number}`;
  const address = URL.createObjectURL(file);
  const boxes = s("svg", { class: "boxes", "aria-hidden": "true", focusable: "false" });
  const image = h("img", { src: address, alt: "", decoding: "async" });
  const opener = h(
    "button",
    {
      class: "opener",
      type: "button",
      disabled: true,
      "aria-label": `Enlarge the photo ${file.name}`,
      onclick: () => enlarge(card),
    },
    image,
  );
  const picture = h("div", { class: "picture" }, opener, boxes);
  image.addEventListener("load", () => {
    opener.disabled = false;
    drawn(card);
  });
  image.addEventListener("error", () => {
    opener.replaceWith(
      h("p", { class: "soft blank" }, `No preview: this browser cannot show ${file.name}`),
    );
  });
  const words = h("div", { class: "words" });
  const title = h("h3", { id, class: "name", title: file.name }, file.name);
  const element = h(
    "li",
    { class: "answer waiting", "aria-labelledby": id },
    picture,
    h("div", { class: "text" }, title, words),
  );
  const card = {
    file,
    element,
    row: null,
    image,
    boxes,
    wait() {
      card.row = null;
      element.classList.add("waiting");
      element.querySelector(".heat")?.remove();
      words.replaceChildren(h("p", { class: "soft" }, "Waiting for the answer"));
      boxes.replaceChildren();
    },
    show(row) {
      card.row = named(row, file.name);
      element.classList.remove("waiting");
      words.replaceChildren(...answered(card));
      drawn(card);
    },
    forget: () => URL.revokeObjectURL(address),
  };
  card.wait();
  return card;
}

function answered(card) {
  const { label, probabilities, faces, notes, error } = card.row;
  if (error)
    return [
      h("p", { class: "label" }, h("span", { class: "chip bad" }, "not read")),
      h("p", { class: "why" }, reason(card.row)),
    ];
  const because = why(label, probabilities);
  const parts = [h("p", { class: "label" }, ...shown(label, probabilities))];
  if (probabilities) parts.push(scale(probabilities));
  if (because) parts.push(h("p", { class: "why" }, because));
  if (notes.length) parts.push(h("p", { class: "why" }, `Note: ${notes.join("; ")}.`));
  if (faces.length > 1) parts.push(several(card, faces));
  else if (probabilities)
    parts.push(decided(card, faces.length ? 1 : null, "What decided?"));
  return parts.filter(Boolean);
}

/** Put the file's own name into a row: a form cannot contain a name with quotes or line breaks. */
function named(row, name) {
  const { path, error } = row;
  if (!error?.text.startsWith(`${path}: `)) return { ...row, path: name };
  return { ...row, path: name, error: { ...error, text: name + error.text.slice(path.length) } };
}

/** Return the error's text without the name, which is shown next to it. */
function reason({ path, error: { text: whole } }) {
  const text = whole.startsWith(`${path}: `) ? whole.slice(path.length + 2) : whole;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function several(card, faces) {
  const rows = faces.map((face, place) =>
    h(
      "li",
      {},
      h("span", { class: "badge", "aria-hidden": "true" }, String(place + 1)),
      h("span", { class: "grow" }, ...shown(face.label, face.probabilities)),
      decided(card, place + 1, "Why?", `Why? Face ${place + 1} of ${card.file.name}`),
    ),
  );
  const title = `${counted(faces.length, "face")}, the largest first`;
  const list = { class: "rows", role: "region", tabindex: "0", "aria-label": `Faces of ${card.file.name}` };
  return h(
    "details",
    { class: "each", ontoggle: () => card.element.scrollIntoView({ block: "nearest" }) },
    h("summary", {}, title),
    h("div", list, h("ol", {}, ...rows)),
  );
}

/** Return a button that loads the heat map and shows it; null if the engine makes none. */
function decided(card, face, text, label) {
  if (!engine.explain) return null;
  const button = h(
    "button",
    {
      class: "button quiet",
      type: "button",
      "aria-label": label ?? `${text} ${card.file.name}`,
      onclick: () => explain(card, face, button),
    },
    text,
  );
  return button;
}

async function explain(card, face, button) {
  button.disabled = true;
  card.element.querySelector(".heat")?.remove();
  const heat = h(
    "figure",
    { class: "heat", tabindex: "-1" },
    h("figcaption", { role: "status" }, "Covering one part after another"),
  );
  card.element.querySelector(".text").append(heat);
  try {
    const answers = Object.keys(card.row.probabilities);
    const { label, probabilities, picture } = await engine.explain(card.file, face, answers);
    const address = URL.createObjectURL(picture);
    const which = face === null ? "the photo" : `face ${face}`;
    const image = h("img", {
      src: address,
      alt: `Heat map of ${which} of ${card.file.name}: ${line(label, probabilities)}`,
      width: 384,
      height: 384,
    });
    image.addEventListener("load", () => URL.revokeObjectURL(address));
    heat.replaceChildren(
      image,
      legend(probabilities),
      h(
        "button",
        { class: "button quiet", type: "button", onclick: () => close(heat, button) },
        "Close the heat map",
      ),
    );
    heat.focus();
  } catch (error) {
    heat.replaceChildren(h("figcaption", { class: "bad", role: "alert" }, error.message));
  }
  button.disabled = false;
}

/** Return which colour stands for which class in a heat map. */
function legend(probabilities) {
  const classes = Object.keys(probabilities);
  const keys = classes.map((name) =>
    h("li", {}, h("i", { class: `key ${look(name, classes)}`, "aria-hidden": "true" }), name),
  );
  return h(
    "figcaption",
    {},
    h("p", {}, "Each part has the colour of the class whose probability it raised."),
    h("ul", { class: "keys" }, ...keys),
  );
}

function close(heat, button) {
  heat.remove();
  button.focus();
}

/** Draw the boxes once both the photo's size and its faces are known. */
function drawn({ image, boxes, row }) {
  const { naturalWidth: width, naturalHeight: height } = image;
  if (!row || !width) return;
  boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const many = row.faces.length > 1;
  const marks = row.faces.map((face, place) => {
    const { x, y, width: wide, height: high } = face;
    const box = s(
      "g",
      { class: look(face.label) },
      s("rect", { class: "box halo", x, y, width: wide, height: high }),
      s("rect", { class: "box", x, y, width: wide, height: high }),
    );
    if (many) box.append(badge(place + 1, x, y, Math.max(wide / 4, Math.max(width, height) / 28)));
    return box;
  });
  // The largest face is drawn last, on top of the others.
  boxes.replaceChildren(...marks.reverse());
}

function badge(text, x, y, size) {
  const wide = size * (0.6 + 0.6 * String(text).length);
  return s(
    "g",
    {},
    s("rect", { class: "ground", x, y, width: wide, height: size * 1.2 }),
    s(
      "text",
      { x: x + wide / 2, y: y + size * 0.95, "font-size": size, "text-anchor": "middle" },
      String(text),
    ),
  );
}
