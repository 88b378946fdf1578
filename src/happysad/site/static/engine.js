// The engine of a published site: a worker in this browser opens photos, finds faces and answers.
// happysad serve has another one with the same functions.

import { at, tell } from "./dom.js";

const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
const waiting = new Map();
let number = 0;

worker.addEventListener("message", ({ data: { id, answer, error, arrived } }) => {
  if (arrived !== undefined) {
    at("loading-progress").value = arrived;
    return;
  }
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) resolve(answer);
  else reject(new Error(error));
});

/** Call a function of the worker. */
function call(name, values, transfer = []) {
  const id = ++number;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, name, values }, transfer);
  });
}

async function file(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} could not be loaded: the host answered ${answer.status}`);
  return answer;
}

const row = file("v1/model.json").then((answer) => answer.json());
const started = row.then(({ parts, ...model }) => call("start", [model, addressed(parts)]));
started.then(loaded, (error) => {
  at("loading").hidden = true;
  tell(at("notice"), `The classifier could not be loaded: ${error.message}`);
});

/** Return the parts with addresses that the worker, below static/, finds too. */
const addressed = (parts) =>
  Object.fromEntries(
    Object.entries(parts).map(([name, { address, bytes }]) => [
      name,
      { address: new URL(address, document.baseURI).href, bytes },
    ]),
  );

function loaded({ threads }) {
  at("loading").hidden = true;
  document.documentElement.dataset.threads = threads;
  // From the next visit on, the site needs no network.
  navigator.serviceWorker?.register("service_worker.js").catch(() => {});
}

/** Return the classifier that answers. */
export async function loadModel() {
  const { parts: _, ...model } = await row;
  return model;
}

/** Return the classifier's card as HTML. */
export const loadCard = async () => (await file("v1/card.html")).text();

/** Photos are answered one by one. */
export const batchOf = (files) => files.slice(0, 1);

/** Answer photos; return their rows. */
export async function predict(files, answers) {
  await started;
  const rows = [];
  for (const one of files) rows.push({ ...(await call("predict", [one, answers])), path: one.name });
  return rows;
}

/** Heat maps are made only by the server. */
export const explain = null;

/** Take a picture of a video whose longer side has at most `longest` pixels. */
export function grab(video, longest) {
  const { videoWidth: width, videoHeight: height } = video;
  const factor = Math.min(1, longest / Math.max(width, height));
  if (!width) return null;
  return createImageBitmap(video, {
    resizeWidth: Math.round(width * factor),
    resizeHeight: Math.round(height * factor),
    colorSpaceConversion: "none",
  });
}

/** Follow faces from frame to frame; each frame is sent after the answer to the previous one. */
export function follow({ opened, answered }) {
  const stream = ++number;
  let open = false;
  let closed = false;
  const begin = async () => {
    await started;
    await call("follow", [stream]);
    if (closed) return leave();
    open = true;
    opened();
  };
  const leave = () => call("leave", [stream]);
  begin().catch((error) => answered({ error: { text: error.message } }));
  return {
    isOpen: () => open && !closed,
    isClosed: () => closed,
    close() {
      if (open && !closed) leave();
      closed = true;
    },
    async send(frame, moment) {
      const began = performance.now();
      const { at, cut } = moment ?? { at: began / 1000, cut: false };
      try {
        const answer = await call("frame", [stream, frame, at, cut], [frame]);
        answered({ ...answer, milliseconds: performance.now() - began });
      } catch (error) {
        answered({ error: { text: error.message } });
      }
    },
  };
}
