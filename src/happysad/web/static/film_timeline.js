// The timeline of a film: the shares of the labels over its time, in which one can seek.

import { band, parts } from "./film_answers.js";
import { h, s } from "./dom.js";
import { nameOf } from "./label.js";
import { look } from "./model.js";

// The number of parts into which the time is divided.
const COUNT = 240;

/**
 * Make an empty timeline.
 * @param {string} name the film's
 * @param {(at: number) => void} seek called with the seconds that are chosen
 */
export function timeline(name, seek) {
  const box = { viewBox: `0 0 ${COUNT} 1`, preserveAspectRatio: "none", "aria-hidden": "true" };
  const picture = s("svg", box);
  const keys = h("ul", { class: "keys soft small" });
  const slider = h("input", {
    type: "range",
    min: 0,
    step: "any",
    value: 0,
    disabled: true,
    "aria-label": `Time in ${name}`,
    oninput: () => seek(Number(slider.value)),
  });
  return {
    element: h("div", {}, h("div", { class: "timeline" }, picture, slider), keys),
    /** Show the shares of the labels, from the lowest band to the highest, in a film's seconds. */
    draw(looked, labels, seconds) {
      slider.max = seconds;
      const shares = parts(looked, seconds, COUNT);
      const bands = labels.map((label) =>
        s("path", { class: look(label), d: band(shares, labels, label) }),
      );
      picture.replaceChildren(...bands);
      keys.replaceChildren(...labels.map(key));
    },
    /** Show a time, with what is said of it. */
    show(at, text) {
      slider.value = at;
      slider.setAttribute("aria-valuetext", text);
    },
    enable: () => (slider.disabled = false),
  };
}

/** Return which colour stands for a label. */
const key = (label) =>
  h("li", {}, h("i", { class: `key ${look(label)}`, "aria-hidden": "true" }), nameOf(label));
