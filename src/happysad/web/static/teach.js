// Teach: examples for two classes, from the webcam or from files.

import { ask, batches, get, send } from "./api.js";
import { check } from "./check.js";
import { at, counted, h, inWords, sure, tell } from "./dom.js";
import { closeEyes, forgetButtons, holdable, openEyes } from "./hold.js";
import { acceptDrops, chosen } from "./files.js";
import { gallery } from "./gallery.js";
import { look } from "./model.js";
import * as training from "./training.js";
import * as unlabelled from "./unlabelled.js";

let classes = [];
const parts = new Map();
let now = {};
let fewest = 0;
let queue = Promise.resolve();

/** Make the view work. */
export function start() {
  at("teach-camera").addEventListener("click", () => openEyes(status));
  at("teach-check").addEventListener("click", check);
  training.start(allow);
  unlabelled.start(() => classes, add);
}

/** Ask the server for all of Teach. */
export async function enter() {
  try {
    const teach = await get("v1/teach");
    at("teach-missing").hidden = teach.available;
    at("teach-steps").hidden = !teach.available;
    tell(at("notice"), "");
    fewest = teach.fewest;
    build(teach.classes);
    training.enter(teach);
    counts(teach.counts);
  } catch (error) {
    tell(at("notice"), error.message);
  }
}

/** The camera stops when the view is left; a training goes on. */
export function leave() {
  closeEyes();
  training.leave();
}

/** Make the parts of the classes, unless they are there. */
function build(names) {
  if (String(names) === String(classes)) return;
  classes = names;
  parts.clear();
  forgetButtons();
  at("teach-classes").replaceChildren(...names.map(classPart));
  unlabelled.show();
}

function classPart(name, place) {
  const colour = look(name, classes);
  const count = h("b", { id: `count-${place}` }, "0");
  const title = h("input", {
    id: `name-${place}`,
    class: `class-name ${colour}`,
    value: name,
    maxlength: 64,
    autocomplete: "off",
    "aria-label": `Name of class ${place + 1}`,
    onchange: () => rename(place, title),
    onkeydown: (event) => event.key === "Enter" && title.blur(),
  });
  const photos = gallery(name, counts, status);
  const files = h("input", {
    id: `files-${place}`,
    class: "unseen",
    type: "file",
    accept: "image/*",
    multiple: true,
  });
  const folder = h("input", {
    id: `folder-${place}`,
    class: "unseen",
    type: "file",
    webkitdirectory: true,
  });
  for (const input of [files, folder])
    input.addEventListener("change", () => add(name, chosen(input)));
  const hold = h(
    "button",
    { class: `button hold ${colour}`, type: "button", disabled: true },
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
    { class: `class-part ${colour}`, role: "group", "aria-labelledby": `class-${place}` },
    h("h3", { id: `class-${place}`, class: "unseen" }, name),
    h("p", { class: "class-head" }, title, h("span", { class: "count" }, count, " examples")),
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
    photos.element,
    empty,
  );
  files.setAttribute("aria-label", `Photos that are ${name}: choose`);
  folder.setAttribute("aria-label", `A folder of ${name} photos: choose`);
  acceptDrops(element, (found) => add(name, found));
  parts.set(name, { count, photos, empty, title });
  return element;
}

/** Show how many examples there are, and the newest of them. */
function counts(found) {
  now = found;
  for (const name of classes) {
    parts.get(name).count.textContent = now[name].toLocaleString("en");
    parts.get(name).photos.show(now[name]);
  }
  allow();
}

/** Turn off the buttons that cannot work now, and say why. */
function allow() {
  const going = training.isGoing();
  for (const name of classes) {
    parts.get(name).title.disabled = going;
    parts.get(name).empty.disabled = going || !now[name];
    parts.get(name).photos.allow(!going);
  }
  const running = going ? "The examples can be checked and deleted when the training has ended." : "";
  tell(at("check-needs"), running || lacking(1));
  at("teach-check").disabled = !at("check-needs").hidden;
  tell(at("train-needs"), going ? "" : lacking(fewest));
  at("teach-train").disabled = going || !at("train-needs").hidden;
}

/** Return in words how many more examples it takes; an empty text if there are enough. */
function lacking(least) {
  const lacks = classes.filter((name) => now[name] < least).map(
    (name) => `${counted(least - now[name], "more photo")} of ${name}`,
  );
  return lacks.length ? `This takes ${inWords(lacks)}.` : "";
}

const addressOf = (name) => `v1/teach/photos/${encodeURIComponent(name)}`;

const status = (text) => (at("teach-status").textContent = text);

/** Send files in batches, after those that are being sent. */
function add(name, files) {
  if (!files.length) return;
  queue = queue.then(() => sendAll(name, files));
}

async function sendAll(name, files) {
  const sum = { added: 0, known: 0, refused: [] };
  let done = 0;
  for (const batch of batches(files)) {
    status(`Adding ${name} examples: ${done} of ${files.length}`);
    try {
      const answer = await send(addressOf(name), batch);
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

async function rename(place, title) {
  const old = classes[place];
  const names = classes.with(place, title.value.trim());
  if (names[place] === old) return;
  try {
    await queue;
    const body = JSON.stringify({ classes: names });
    const headers = { "Content-Type": "application/json" };
    const answer = await ask("v1/teach/classes", { method: "PUT", body, headers });
    const found = await answer.json();
    closeEyes();
    build(found.classes);
    counts(found.counts);
    at(`name-${place}`).focus();
    status(`The class ${old} is now named ${classes[place]}.`);
  } catch (error) {
    title.value = old;
    status(error.message);
  }
}

async function clear(name) {
  const many = counted(Number(parts.get(name).count.textContent.replaceAll(",", "")), "example");
  if (
    !(await sure(
      `Delete all ${name} examples?`,
      `${many} of ${name} will be deleted from the server’s folder. The files that you added them from stay.`,
    ))
  )
    return;
  try {
    const answer = await (await ask(addressOf(name), { method: "DELETE" })).json();
    counts(answer.counts);
    status(`The ${name} examples are deleted.`);
  } catch (error) {
    status(error.message);
  }
}
