// The review of labels: one photo at a time, and one key for each decision.

import { ask, get } from "./api.js";
import { labelOfKey, showChoices } from "./choices.js";
import { at, counted, tell } from "./dom.js";

let photos = [];
let classes = [];
let place = 0;
let sending = false;

const percent = (share) => `${(100 * share).toFixed(0)} %`;

function show() {
  const one = photos[place];
  const done = photos.filter(({ decided }) => decided !== null).length;
  at("progress").textContent = one
    ? `Photo ${place + 1} of ${photos.length}; ${counted(done, "decision")}`
    : "There is no photo to review.";
  at("one").hidden = !one;
  if (!one) return;
  const image = at("photo");
  image.src = `v1/review/${one.pixels}`;
  image.alt = one.path;
  at("question").textContent = one.label ? "Is this label right?" : "Which class is this?";
  at("words").textContent = one.label
    ? `${one.path} is labelled ${one.label}. A classifier that did not learn from it says ` +
      `${one.suggested}: ${percent(one.p_suggested)}, and ${one.label}: ${percent(one.p_label)}.`
    : one.path;
  showChoices(at("keys"), classes, decide, { kept: one.label, decided: one.decided });
}

async function decide(label) {
  // A key that comes before the next photo is shown was not meant for it.
  if (sending) return;
  const one = photos[place];
  const options = { method: "DELETE" };
  if (label !== null) {
    options.method = "PUT";
    options.body = JSON.stringify({ label });
    options.headers = { "Content-Type": "application/json" };
  }
  sending = true;
  try {
    await ask(`v1/review/${one.pixels}`, options);
  } catch (error) {
    tell(at("notice"), error.message);
    return;
  } finally {
    sending = false;
  }
  tell(at("notice"), "");
  one.decided = label;
  if (label !== null) place = Math.min(place + 1, photos.length - 1);
  show();
}

function press(event) {
  if (!photos.length || event.ctrlKey || event.metaKey || event.altKey) return;
  const label = labelOfKey(event, classes);
  if (label !== undefined) decide(label);
  else if (event.key === "u") decide(null);
  else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    const step = event.key === "ArrowRight" ? 1 : -1;
    place = Math.min(Math.max(place + step, 0), photos.length - 1);
    show();
  }
}

try {
  const found = await get("v1/review");
  ({ photos, classes } = found);
  place = Math.max(photos.findIndex(({ decided }) => decided === null), 0);
  at("file").textContent = `Decisions are in ${found.file}.`;
  document.addEventListener("keydown", press);
  show();
} catch (error) {
  tell(at("notice"), error.message);
}
