// Look at a film's frames, and follow the faces in them.

import { follow, grab } from "./engine.js";
import { CutDetector, small } from "./film_cuts.js";
import { frames, measure } from "./film_frames.js";
import { seeker } from "./film_player.js";

// The longer side of a frame that is answered, in pixels: the size at which photos are searched.
const LONGEST = 1000;
// The sides of the picture in which cuts are looked for, in pixels.
const FOR_CUTS = 256;
const CLOSED =
  "the server closed the connection: too many views may be open, or the server has stopped";
const BOX = ["x", "y", "width", "height"];

/**
 * Yield the answers for a film's frames, from its beginning to its end.
 * @param {HTMLVideoElement} video
 * @param {number} seconds its length
 * @param {(measured: {start: number, length: number}) => void} started
 * @returns {AsyncGenerator<import("./film_answers.js").Looked>}
 */
export async function* answers(video, seconds, started) {
  const seek = seeker(video);
  const cuts = new CutDetector();
  const grey = new OffscreenCanvas(FOR_CUTS, FOR_CUTS).getContext("2d", { willReadFrequently: true });
  grey.imageSmoothingQuality = "high";
  const stream = following();
  let shot = 1;
  try {
    await stream.opened;
    const measured = await measure(seek, seconds);
    started(measured);
    for await (const { number, at } of frames(seek, seconds, measured)) {
      grey.drawImage(video, 0, 0, FOR_CUTS, FOR_CUTS);
      const cut = cuts.step(small(grey.getImageData(0, 0, FOR_CUTS, FOR_CUTS).data));
      shot += cut;
      const answer = await stream.ask(await grab(video, LONGEST), { at, cut });
      yield { number, at, shot, answer: enlarged(answer, video.videoWidth / answer.width) };
    }
  } finally {
    stream.close();
  }
}

/** Begin to follow faces: each frame waits for its answer. */
function following() {
  let settle;
  const wait = () => new Promise((resolve, reject) => (settle = { resolve, reject }));
  const opened = wait();
  const ended = () => settle.reject(new Error(CLOSED));
  const connection = follow({
    opened: () => settle.resolve(),
    answered: (answer) =>
      answer.error ? settle.reject(new Error(answer.error.text)) : settle.resolve(answer),
    closed: ended,
  });
  return {
    opened,
    ask(frame, moment) {
      const answer = wait();
      if (connection.isClosed()) ended();
      else connection.send(frame, moment);
      return answer;
    },
    close: () => connection.close(),
  };
}

/** Return an answer whose boxes are in pixels of the film, as those of happysad video. */
function enlarged(answer, factor) {
  const width = Math.round(answer.width * factor);
  const height = Math.round(answer.height * factor);
  const inFilm = (value) => Math.round(100 * value * factor) / 100;
  const faces = answer.faces.map((face) => ({
    ...face,
    ...Object.fromEntries(BOX.map((name) => [name, inFilm(face[name])])),
  }));
  return { ...answer, faces, width, height };
}
