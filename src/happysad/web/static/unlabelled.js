// Teach: photos without labels. Those come first that would teach most: each differs most from those
// before it, by what the network that ships sees in their largest faces.

import { batches, post, send } from "./api.js";
import { labelOfKey, showChoices } from "./choices.js";
import { at, counted, inWords, tell } from "./dom.js";
import { acceptDrops, chosen } from "./files.js";

// The server puts at most this many photos in order.
const MOST = 2000;

// The photo that is shown, those that come after it, and those that have been decided on.
let shown = null;
let waiting = [];
let decided = [];
// How many photos were there when they were last put in order.
let ordered = 0;
let looking = "";
let left = { faceless: 0, unread: 0, beyond: 0 };
let labelled = 0;
let queue = Promise.resolve();
// Photos that were given before the last stop are not looked at.
let stops = 0;
let classes = () => [];
let add = () => {};

/**
 * Make the part work.
 * @param {() => string[]} names returns the classes of Teach
 * @param {(label: string, files: File[]) => void} given called with each labelled photo
 */
export function start(names, given) {
  [classes, add] = [names, given];
  acceptDrops(at("unlabelled-drop"), take);
  for (const input of [at("unlabelled-files"), at("unlabelled-folder")])
    input.addEventListener("change", () => take(chosen(input)));
  at("unlabelled-stop").addEventListener("click", stop);
  document.addEventListener("keydown", press);
}

/** Show the photo again, as the names of the classes may be others. */
export function show() {
  const image = at("unlabelled-photo");
  URL.revokeObjectURL(image.src);
  at("unlabelled-one").hidden = !shown;
  if (shown) {
    image.src = URL.createObjectURL(shown.file);
    image.alt = shown.file.name;
    tell(at("unlabelled-name"), shown.file.name);
    showChoices(at("unlabelled-keys"), classes(), decide);
  }
  status();
}

function status() {
  const { faceless, unread, beyond } = left;
  const without = [
    faceless ? `${counted(faceless, "photo")} without a face` : "",
    unread ? `${counted(unread, "file")} not read` : "",
    beyond ? `${counted(beyond, "photo")} beyond ${MOST.toLocaleString("en")}` : "",
  ].filter(Boolean);
  const rest = without.length ? `; left out: ${inWords(without)}` : "";
  const then = labelled && !looking ? " Train again whenever you like." : "";
  const count = waiting.length + (shown ? 1 : 0);
  const words = `${counted(count, "photo")} to label, ${labelled} labelled${rest}.${then}${looking}`;
  at("unlabelled-status").textContent = count || labelled || rest || looking ? words : "";
}

function take(files) {
  const before = stops;
  if (files.length) queue = queue.then(() => look(files, before));
}

/** Look at photos; show the first one at once, and put all in order as more are seen. */
async function look(files, before) {
  const room = Math.max(0, MOST - waiting.length - decided.length - (shown ? 1 : 0));
  const some = files.slice(0, room);
  left.beyond += files.length - some.length;
  let done = 0;
  for (const batch of batches(some)) {
    if (before !== stops) return;
    looking = ` Looking at ${done} of ${counted(some.length, "photo")}.`;
    status();
    let rows = [];
    try {
      rows = await send("v1/teach/features", batch);
    } catch {
      // Not one of them is read.
    }
    if (before !== stops) return;
    batch.forEach((file, place) => {
      const row = rows[place];
      if (!row || row.error) left.unread += 1;
      else if (!row.features) left.faceless += 1;
      else waiting.push({ file, features: row.features });
    });
    done += batch.length;
    const there = decided.length + waiting.length;
    if (!shown || there >= 2 * ordered || done === some.length) await arrange(before);
  }
  looking = "";
  status();
}

/** Put the photos in order; the one that is shown stays, and those decided on come before all. */
async function arrange(before) {
  const first = shown ? [...decided, shown] : [...decided];
  const all = [...first, ...waiting];
  const features = all.map((one) => one.features);
  let order = [];
  try {
    ({ order } = await post("v1/teach/order", { features, chosen: first.length }));
  } catch {
    // They stay in the order in which they came.
  }
  if (before !== stops) return;
  ordered = all.length;
  // Some may have been decided on in the meantime.
  const sorted = order.map((place) => all[place]).filter((one) => waiting.includes(one));
  waiting = [...sorted, ...waiting.filter((one) => !sorted.includes(one))];
  if (!shown && waiting.length) next();
}

function next() {
  shown = waiting.shift() ?? null;
  show();
}

function decide(label) {
  const { file } = shown;
  decided.push(shown);
  if (label) {
    labelled += 1;
    add(label, [file]);
  }
  next();
  if (!shown) at("unlabelled-status").focus();
}

function stop() {
  stops += 1;
  [shown, waiting, ordered, looking] = [null, [], 0, ""];
  show();
  at("unlabelled-status").focus();
}

function press(event) {
  const open = !at("view-teach").hidden && at("unlabelled").open && shown;
  if (!open || event.target.matches("input, select")) return;
  const label = labelOfKey(event, classes());
  if (label !== undefined) decide(label);
}
