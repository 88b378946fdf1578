// Files that a person drops, pastes or chooses; a folder means all files in it and below it, without
// what systems keep beside photos.
import { ENDINGS, FILMS, LIVE_PHOTOS, NAMES } from "./left_out.js";

/** Return whether a file or folder is left out, as folder_walk.py decides it. */
function leftOut(name, isFolder) {
  const key = name.toLowerCase();
  const hidden = name.startsWith(".") || NAMES.includes(key);
  return hidden || (!isFolder && ENDINGS.some((ending) => key.endsWith(ending)));
}

/** Return whether a file is the film of one of the other files, a live photo. */
function isLiveFilm(path, paths) {
  const ending = path.slice(path.lastIndexOf(".")).toLowerCase();
  if (!Object.hasOwn(FILMS, ending)) return false;
  const stem = FILMS[ending] ? path : path.slice(0, -ending.length);
  return LIVE_PHOTOS.some((photo) => paths.has(stem + photo));
}

/** Return the files of a drop, including those in folders, sorted by their paths. */
export async function dropped(transfer) {
  // The entries vanish when the event ends, so take them all before the first await.
  const entries = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return inOrder(found);
}

/** Return the files of an input, or those in its chosen folder. */
export function chosen(input) {
  const found = [...input.files].map((file) => [file.webkitRelativePath || file.name, file]);
  input.value = "";
  const kept = ([path]) =>
    !path.split("/").some((name, at, names) => leftOut(name, at < names.length - 1));
  return inOrder(found.filter(kept));
}

/** Return the pictures that were pasted. */
export const pasted = (transfer) => [...(transfer?.files ?? [])];

/** Accept drops on an element: highlight it during a drag, and call `take` with the files. */
export function acceptDrops(element, take) {
  let depth = 0;
  const over = (by) => {
    depth = Math.max(0, depth + by);
    element.classList.toggle("over", depth > 0);
  };
  element.addEventListener("dragenter", () => over(1));
  element.addEventListener("dragleave", () => over(-1));
  element.addEventListener("drop", async (event) => {
    event.preventDefault();
    over(-depth);
    take(await dropped(event.dataTransfer));
  });
}

async function walk(entry, found) {
  if (!entry || (!(entry instanceof File) && leftOut(entry.name, entry.isDirectory))) return;
  if (entry instanceof File) found.push([entry.name, entry]);
  else if (entry.isFile) found.push([entry.fullPath, await fileOf(entry)]);
  else for (const child of await childrenOf(entry)) await walk(child, found);
}

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

async function childrenOf(folder) {
  const reader = folder.createReader();
  const children = [];
  for (;;) {
    // Browsers return at most a hundred entries at once.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return children;
    children.push(...some);
  }
}

/** Return files without the films of live photos, sorted by their paths. */
function inOrder(found) {
  const paths = new Set(found.map(([path]) => path));
  return found
    .filter(([path]) => !isLiveFilm(path, paths))
    .sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
    .map(([, file]) => file);
}
