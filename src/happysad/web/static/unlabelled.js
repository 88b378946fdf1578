// Teach: photos without labels. Those of which the classifier in use is least sure come first.

import { batches } from "./api.js";
import { labelOfKey, showChoices } from "./choices.js";
import { at, counted, inWords, tell } from "./dom.js";
import { predict } from "./engine.js";
import { acceptDrops, chosen } from "./files.js";

// The photos that are to be labelled, with how sure the classifier is of each.
let photos = [];
let left = { faceless: 0, unread: 0 };
let labelled = 0;
let queue = Promise.resolve();
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
  const [one] = photos;
  const image = at("unlabelled-photo");
  URL.revokeObjectURL(image.src);
  at("unlabelled-one").hidden = !one;
  if (one) {
    image.src = URL.createObjectURL(one.file);
    image.alt = one.file.name;
    tell(at("unlabelled-name"), one.file.name);
    showChoices(at("unlabelled-keys"), classes(), decide);
  }
  const { faceless, unread } = left;
  const without = [
    faceless ? `${counted(faceless, "photo")} without a face` : "",
    unread ? `${counted(unread, "file")} not read` : "",
  ].filter(Boolean);
  const rest = without.length ? `; left out: ${inWords(without)}` : "";
  const then = labelled ? " Train again whenever you like." : "";
  const words = `${counted(photos.length, "photo")} to label, ${labelled} labelled${rest}.${then}`;
  at("unlabelled-status").textContent = photos.length || labelled || rest ? words : "";
}

function take(files) {
  if (files.length) queue = queue.then(() => look(files));
}

/** Ask the classifier in use about photos, and sort all by how sure it is. */
async function look(files) {
  let done = 0;
  for (const batch of batches(files)) {
    at("unlabelled-status").textContent = `Looking at ${done} of ${counted(files.length, "photo")}`;
    let rows = [];
    try {
      rows = await predict(batch, null, () => {});
    } catch {
      // Not one of them is answered.
    }
    batch.forEach((file, place) => {
      const row = rows[place];
      if (!row || row.error) left.unread += 1;
      else if (!row.probabilities) left.faceless += 1;
      else photos.push({ file, sureness: margin(Object.values(row.probabilities)) });
    });
    done += batch.length;
  }
  photos.sort((one, other) => one.sureness - other.sureness);
  show();
}

/** Return how much larger the largest probability is than the next one. */
function margin(probabilities) {
  const [first, second] = probabilities.sort((one, other) => other - one);
  return first - second;
}

function decide(label) {
  const { file } = photos.shift();
  if (label) {
    labelled += 1;
    add(label, [file]);
  }
  show();
  if (!photos.length) at("unlabelled-status").focus();
}

function stop() {
  photos = [];
  show();
  at("unlabelled-status").focus();
}

function press(event) {
  const open = !at("view-teach").hidden && at("unlabelled").open && photos.length;
  if (!open || event.target.matches("input, select")) return;
  const label = labelOfKey(event, classes());
  if (label !== undefined) decide(label);
}
