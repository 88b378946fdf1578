// About: the classifier's facts and its card.

import { at, h, inWords } from "./dom.js";
import { loadCard } from "./engine.js";
import { percent } from "./label.js";
import { loadModel, model, modelName, sureFrom } from "./model.js";
import { safely } from "./safely.js";

const LOOKS_AT = {
  face: "each face, found by YuNet and turned upright",
  photo: "the whole photo",
  both: "the whole photo and its faces",
};

/** Set up the view. */
export function start() {}

/** Load the classifier each time, since it may have changed. */
export async function enter() {
  const card = at("about-card");
  card.setAttribute("aria-busy", "true");
  try {
    await loadModel();
    at("about-facts").replaceChildren(...facts(model()));
    card.replaceChildren(safely(await loadCard()));
  } catch (error) {
    card.replaceChildren(h("p", { class: "notice bad", role: "alert" }, error.message));
  }
  card.setAttribute("aria-busy", "false");
}

export function leave() {}

function facts(row) {
  const { classes, size, channels, architecture, looks_at, trained_on, version } = row.details;
  const name = modelName(row);
  return [
    ["Classifier", name.charAt(0).toUpperCase() + name.slice(1)],
    ["Classes", classes.join(", ")],
    ["Looks at", LOOKS_AT[looks_at]],
    ["Label", rule(row.details)],
    ["Input", `${size} × ${size} pixels, ${channels === 1 ? "grey" : "colour"}`],
    ["Trained on", `${trained_on.toLocaleString("en")} pictures`],
    ["Made by", `happysad ${version}, architecture ${architecture}`],
    ["SHA-256", h("code", {}, row.sha256)],
  ].map(([term, text]) => h("div", {}, h("dt", {}, term), h("dd", {}, text)));
}

/** How the label follows from the probabilities. */
function rule(details) {
  const { classes, unsure, threshold } = details;
  if (classes.length > 2) {
    const from = sureFrom(details).map(([name, p]) => `${percent(p)} (${name})`);
    return from.length
      ? `the most probable class, or unsure if its probability is below ${inWords(from, "or")}`
      : "the most probable class, never unsure";
  }
  const [first, second] = classes;
  const p = `the probability of ${second}`;
  return unsure
    ? `${first} if ${p} is below ${unsure[0].toPrecision(2)}, ${second} from ${unsure[1].toPrecision(3)} on, unsure in between`
    : `${first} if ${p} is below ${threshold.toPrecision(2)}, otherwise ${second}; never unsure`;
}
