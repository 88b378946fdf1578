// Teach: examples for two classes, from the webcam or from files.

import { ask, batches, get, send } from "./api.js";
import { check } from "./check.js";
import { at, counted, h, sure, tell } from "./dom.js";
import { closeEyes, holdable, openEyes } from "./hold.js";
import { acceptDrops, chosen } from "./files.js";
import { look } from "./model.js";
import * as training from "./training.js";

const CLASSES = ["happy", "sad"];
// Maximum number of shown pictures, of those that were just added.
const STRIP = 8;

const parts = {};
let queue = Promise.resolve();

/** Make the view work. */
export function start() {
  at("teach-classes").append(...CLASSES.map(classPart));
  at("teach-camera").addEventListener("click", () => openEyes(status));
  at("teach-check").addEventListener("click", check);
  training.start();
}

/** Ask the server for all of Teach. */
export async function enter() {
  try {
    const teach = await get("v1/teach");
    at("teach-missing").hidden = teach.available;
    at("teach-steps").hidden = !teach.available;
    tell(at("notice"), "");
    counts(teach.counts);
    training.enter(teach);
  } catch (error) {
    tell(at("notice"), error.message);
  }
}

/** The camera stops when the view is left; a training goes on. */
export function leave() {
  closeEyes();
  training.leave();
}

function classPart(name) {
  const count = h("b", { id: `count-${name}` }, "0");
  const strip = h("ul", { class: "strip", "aria-hidden": "true" });
  const files = h("input", {
    id: `files-${name}`,
    class: "unseen",
    type: "file",
    accept: "image/*",
    multiple: true,
  });
  const folder = h("input", {
    id: `folder-${name}`,
    class: "unseen",
    type: "file",
    webkitdirectory: true,
  });
  for (const input of [files, folder])
    input.addEventListener("change", () => add(name, chosen(input)));
  const hold = h(
    "button",
    { class: `button hold ${look(name)}`, type: "button", disabled: true },
    `Hold to take ${name} examples`,
  );
  holdable(hold, (files) => add(name, files));
  const empty = h(
    "button",
    { class: "button quiet", type: "button", disabled: true, onclick: () => clear(name) },
    `Delete the ${name} examples`,
  );
  const element = h(
    "div",
    { class: `class-part ${look(name)}`, role: "group", "aria-labelledby": `class-${name}` },
    h(
      "h3",
      { id: `class-${name}` },
      h("span", { class: `chip ${look(name)}` }, name),
      h("span", { class: "count" }, count, " examples"),
    ),
    hold,
    h(
      "div",
      { class: "drop little" },
      h("p", {}, "Drop photos or a folder, or choose"),
      h(
        "div",
        { class: "row" },
        files,
        h("label", { class: "button", for: files.id }, "Photos"),
        folder,
        h("label", { class: "button", for: folder.id }, "A folder"),
      ),
    ),
    strip,
    empty,
  );
  files.setAttribute("aria-label", `Photos that are ${name}: choose`);
  folder.setAttribute("aria-label", `A folder of ${name} photos: choose`);
  acceptDrops(element, (found) => add(name, found));
  parts[name] = { count, strip, empty };
  return element;
}

function counts(now) {
  for (const name of CLASSES) {
    parts[name].count.textContent = now[name].toLocaleString("en");
    parts[name].empty.disabled = !now[name];
  }
  const every = CLASSES.every((name) => now[name]);
  at("teach-check").disabled = !every;
  training.allow(every);
}

const status = (text) => (at("teach-status").textContent = text);

/** Send files in batches, after those that are being sent. */
function add(name, files) {
  if (!files.length) return;
  picture(name, files);
  queue = queue.then(() => sendAll(name, files));
}

async function sendAll(name, files) {
  const sum = { added: 0, known: 0, refused: [] };
  let done = 0;
  for (const batch of batches(files)) {
    status(`Adding ${name} examples: ${done} of ${files.length}`);
    try {
      const answer = await send(`v1/teach/photos/${name}`, batch);
      sum.added += answer.added;
      sum.known += answer.known;
      sum.refused.push(...answer.refused);
      counts(answer.counts);
    } catch (error) {
      const reason = { code: "internal", text: error.message };
      sum.refused.push(...batch.map((file) => ({ path: file.name, error: reason })));
    }
    done += batch.length;
  }
  const known = sum.known ? `, ${sum.known} there already` : "";
  const refused = sum.refused.length ? `, ${sum.refused.length} refused` : "";
  status(`${counted(sum.added, "example")} added to ${name}${known}${refused}.`);
  refusals(sum.refused);
}

function refusals(refused) {
  at("teach-refused").hidden = !refused.length;
  at("teach-refused").replaceChildren(
    h(
      "details",
      {},
      h("summary", {}, `${counted(refused.length, "file")} refused`),
      h(
        "ul",
        { class: "plain" },
        refused.map(({ path, error: { text } }) =>
          h("li", {}, text.startsWith(path) ? text : `${path}: ${text}`),
        ),
      ),
    ),
  );
}

function picture(name, files) {
  const { strip } = parts[name];
  for (const file of files.slice(-STRIP)) {
    const address = URL.createObjectURL(file);
    const image = h("img", { src: address, alt: "", width: 44, height: 44 });
    const done = () => URL.revokeObjectURL(address);
    image.addEventListener("load", done);
    image.addEventListener("error", () => {
      done();
      image.parentElement.remove();
    });
    strip.prepend(h("li", {}, image));
  }
  while (strip.children.length > STRIP) strip.lastChild.remove();
}

async function clear(name) {
  const many = counted(Number(parts[name].count.textContent.replaceAll(",", "")), "example");
  if (
    !(await sure(
      `Delete all ${name} examples?`,
      `${many} of ${name} will be deleted from the server’s folder. The files that you added them from stay.`,
    ))
  )
    return;
  try {
    const answer = await (await ask(`v1/teach/photos/${name}`, { method: "DELETE" })).json();
    parts[name].strip.replaceChildren();
    counts(answer.counts);
    status(`The ${name} examples are deleted.`);
  } catch (error) {
    status(error.message);
  }
}
