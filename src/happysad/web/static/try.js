// Try: photos in, answers out.

import { answerCard } from "./card.js";
import { csv } from "./csv.js";
import { at, counted, h, inWords, tell } from "./dom.js";
import * as drawings from "./drawings.js";
import { batchOf, predict } from "./engine.js";
import { loadExamples } from "./examples.js";
import { acceptDrops, chosen, pasted } from "./files.js";
import { answerFilter } from "./filter.js";
import { answerFilms, clearFilms, haveFilms, pauseFilms, takeFilms } from "./films.js";
import { nameOf } from "./label.js";
import { model, onModel } from "./model.js";
import { save } from "./save.js";
import { tally } from "./tally.js";

// The cards of the photos, in order; a card has its row once it is answered.
let cards = [];
let working = false;
// What the status adds.
let note = "";
let filter;

/** Set up the view. */
export function start() {
  const input = at("choose");
  input.addEventListener("change", () => add(chosen(input)));
  acceptDrops(at("view-try"), add);
  document.addEventListener("paste", (event) => {
    const files = at("view-try").hidden ? [] : pasted(event.clipboardData);
    if (files.length) event.preventDefault();
    add(files);
  });
  onModel(({ details }) => ask(details.classes));
  at("try-examples").addEventListener("click", addExamples);
  filter = answerFilter(at("try-filter"), show);
  at("try-csv").addEventListener("click", saveTable);
  at("try-drawings").addEventListener("click", saveDrawings);
  drawings.start();
  at("try-clear").addEventListener("click", clear);
  at("try-two").addEventListener("change", again);
}

export function enter() {}

export function leave() {
  pauseFilms();
}

/** Show the question that a classifier answers, such as "Happy, sad or neither?". */
function ask(classes) {
  // The answer "neither" follows the others.
  const order = [...classes].sort((one, other) => (one === "neither") - (other === "neither"));
  const words = inWords(order, "or");
  at("try-title").textContent = `${words.charAt(0).toUpperCase()}${words.slice(1)}?`;
  const third = classes.includes("neither");
  at("try-faces").setAttribute("viewBox", `0 0 ${third ? 188 : 132} 72`);
  at("try-faces").querySelector(".neither").toggleAttribute("hidden", !third);
  at("try-answers").hidden = !third;
  at("try-two-words").textContent = `Leave out neither: answer only ${inWords(two(classes), "or")}`;
}

const two = (classes) => classes.filter((name) => name !== "neither");

/** Return the classes that may be the answer. */
function answers() {
  const { classes } = model().details;
  return at("try-two").checked && !at("try-answers").hidden ? two(classes) : classes;
}

/** Return the only answers that are asked for; null for all classes. */
function only() {
  const asked = answers();
  return asked.length === model().details.classes.length ? null : asked;
}

const rows = (some = cards) => some.filter((card) => card.row).map((card) => card.row);

/** Return the cards that the filter shows. */
const filtered = () => cards.filter((card) => filter.shows(card.row));

function saveTable() {
  const text = csv(rows(filtered()), answers());
  save(new Blob([text], { type: "text/csv" }), "happysad.csv");
}

async function saveDrawings({ target }) {
  target.disabled = true;
  const answered = filtered().filter(({ row }) => row && !row.error);
  const drawn = answered.filter(drawings.drawable);
  const rest = answered.length - drawn.length;
  const without = rest ? `, without ${counted(rest, "photo")} that this browser cannot show` : "";
  try {
    await drawings.saveDrawings(drawn);
    note = `${counted(drawn.length, "drawing")} saved${without}`;
  } catch (error) {
    note = error.message;
  }
  show();
}

function add(files) {
  const added = takeFilms(files, answers, show).map((file) => answerCard(file));
  cards.push(...added);
  filter.showAll();
  for (const { image } of added) image.addEventListener("load", show);
  at("answers").append(...added.map((card) => card.element));
  show();
  if (!working) work();
}

async function addExamples({ target }) {
  target.disabled = true;
  try {
    add(await loadExamples());
    tell(at("notice"), "");
    at("choose").focus();
  } catch (error) {
    tell(at("notice"), error.message);
  }
  target.disabled = false;
}

function clear() {
  for (const card of cards) card.forget();
  clearFilms();
  cards = [];
  note = "";
  at("answers").replaceChildren();
  show();
  at("choose").focus();
}

/** Ask for all answers again. */
function again() {
  for (const card of cards) card.wait();
  answerFilms();
  show();
  if (!working) work();
}

async function work() {
  working = true;
  try {
    for (let open = unanswered(); open.length; open = unanswered()) {
      const batch = batchOf(open.map((card) => card.file));
      await answer(open.slice(0, batch.length));
      note = "";
      show();
    }
  } finally {
    working = false;
  }
}

const unanswered = () => cards.filter((card) => !card.row);

async function answer(batch) {
  const files = batch.map((card) => card.file);
  const asked = only();
  try {
    const found = await predict(files, asked, (seconds) => {
      note = `the server is busy, trying again in ${counted(seconds, "second")}`;
      show();
    });
    // If other answers were chosen meanwhile, these photos are sent again.
    if (String(only()) === String(asked)) batch.forEach((card, place) => card.show(found[place]));
  } catch (error) {
    // Too much at once: send each photo by itself.
    if (error.status === 413 && batch.length > 1) for (const card of batch) await answer([card]);
    else for (const card of batch) card.show(failed(card.file.name, error.message));
  }
}

const failed = (path, text) => ({
  schema: 2,
  path,
  classifier: null,
  label: null,
  probability: null,
  probabilities: null,
  faces: [],
  notes: [],
  error: { code: "internal", text },
});

function show() {
  const done = rows();
  const given = cards.length > 0 || haveFilms();
  at("view-try").classList.toggle("given", given);
  at("try-bar").hidden = !cards.length;
  at("try-examples").hidden = given;
  const counts = tally(done, model().details.classes);
  filter.update(counts, cards.length);
  for (const card of cards) card.element.hidden = !filter.shows(card.row);
  const some = filtered();
  at("try-csv").disabled = !done.length;
  at("try-drawings").disabled = !some.some(drawings.drawable);
  const progress = at("try-progress");
  progress.hidden = done.length === cards.length;
  progress.max = Math.max(1, cards.length);
  progress.value = done.length;
  const before = done.length < cards.length ? `Answered ${done.length} of ` : "";
  const words = counts.map(([label, count]) => `${count} ${label ? nameOf(label) : "not read"}`);
  const after = some.length < cards.length ? `${some.length} shown` : "";
  say(before + counted(cards.length, "photo"), words.join(", "), [after, note].filter(Boolean));
}

/** Show the status; only screen readers are told the counts that the filter shows. */
function say(photos, counts, others) {
  const status = at("try-status");
  const after = (text) => (text ? ` · ${text}` : "");
  const rest = others.map(after).join("");
  if (status.textContent === photos + after(counts) + rest) return;
  const told = h("span", { class: filter.isShown() && "unseen" }, after(counts));
  status.replaceChildren(photos, told, rest);
}
