// The picture of the mood over the last minute: a lane for each label.

import { counted, h, s } from "./dom.js";
import { nameOf } from "./label.js";
import { look, model } from "./model.js";
import { SECONDS, columns } from "./mood.js";

/**
 * Show the mood in an element.
 * @param {HTMLElement} element
 * @param {import("./mood.js").Mood} mood
 * @param {number} now milliseconds
 */
export function showMood(element, mood, now) {
  const { classes, unsure } = model().details;
  const { seconds, lanes } = mood.lately(now, unsure ? [...classes, "unsure"] : classes);
  element.setAttribute("aria-label", words(seconds, lanes));
  const ends = h("span", { class: "ends" }, h("span", {}, "1 min ago"), h("span", {}, "now"));
  element.replaceChildren(...lanes.flatMap(lane), ends);
}

function lane({ label, share, shares }) {
  const box = { viewBox: `0 0 ${SECONDS} 1`, preserveAspectRatio: "none", class: look(label) };
  return [
    h("span", {}, nameOf(label)),
    s("svg", box, s("path", { d: columns(shares) })),
    h("b", {}, share === null ? "–" : whole(share)),
  ];
}

const whole = (share) => `${Math.round(100 * share)} %`;

function words(seconds, lanes) {
  const time = seconds < SECONDS ? counted(seconds, "second") : "minute";
  const figures = lanes.filter(({ share }) => share !== null);
  if (!figures.length) return "Mood over the last minute: no face yet";
  const shares = figures.map(({ label, share }) => `${nameOf(label)} ${whole(share)}`);
  return `Mood over the last ${time}: ${shares.join(", ")}`;
}
