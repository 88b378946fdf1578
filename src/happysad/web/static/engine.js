// The engine of happysad serve: the server opens photos, finds faces and answers. A published site
// has another one with the same functions.

import { ask, batches, get, send } from "./api.js";
import { grab as jpeg } from "./camera.js";

/** Return the classifier that answers. */
export const loadModel = () => get("v1/model");

/** Return the classifier's card as HTML. */
export const loadCard = async () => (await ask("v1/card")).text();

/** Return the first files, as many as are answered at once. */
export const batchOf = (files) => batches(files).next().value;

const query = (values) => {
  const text = new URLSearchParams(values).toString();
  return text && `?${text}`;
};

/**
 * Answer photos; return their rows.
 * @param {File[]} files
 * @param {string[] | null} answers the only answers; null for all classes
 * @param {(seconds: number) => void} waiting called when the server is busy
 */
export const predict = (files, answers, waiting) =>
  send(`v1/predict${query(answers ? { answers } : {})}`, files, waiting);

/** Return the heat map of a face, or of the photo if `face` is null, with its answer. */
export async function explain(file, face, answers) {
  const asked = face === null ? { answers } : { answers, face };
  const answer = await ask(`v1/explain${query(asked)}`, { method: "POST", body: file });
  return {
    label: decodeURIComponent(answer.headers.get("X-Happysad-Label")),
    probabilities: JSON.parse(answer.headers.get("X-Happysad-Probabilities")),
    picture: await answer.blob(),
  };
}

const canvas = document.createElement("canvas");

/** Take a picture of a video whose longer side has at most `longest` pixels. */
export const grab = (video, longest) => jpeg(video, canvas, longest);

/**
 * Follow faces from frame to frame; each frame is sent after the answer to the previous one.
 * @param {{opened: () => void, answered: (answer: object) => void,
 * closed: (opened: boolean) => void}} on called when the server is ready, answers or has ended
 * @returns what sends frames: each of a camera now, or of a film at a moment, {at: seconds, cut:
 * whether a cut is just before it}
 */
export function follow({ opened, answered, closed }) {
  const address = new URL("v1/live", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  let ready = false;
  socket.addEventListener("open", () => {
    ready = true;
    opened();
  });
  socket.addEventListener("message", ({ data }) => answered(JSON.parse(data)));
  socket.addEventListener("close", () => closed(ready));
  return {
    isOpen: () => socket.readyState === WebSocket.OPEN,
    // Not one that is still connecting.
    isClosed: () => socket.readyState > WebSocket.OPEN,
    close: () => socket.close(),
    send(frame, moment) {
      if (moment) socket.send(JSON.stringify(moment));
      socket.send(frame);
    },
  };
}
