// The card of a film: its frames are looked at one by one; then it plays with the boxes of its faces.

import { counted, h } from "./dom.js";
import { drawFaces } from "./draw.js";
import { answerAt, answeredOnly, clock, courses, cutsOf, faceless, numbered } from "./film_answers.js";
import { every } from "./film_frames.js";
import { answers as lookAtFrames } from "./film_looking.js";
import { close, open } from "./film_player.js";
import { filmTable } from "./film_table.js";
import { timeline } from "./film_timeline.js";
import { line, nameOf } from "./label.js";
import { look, model } from "./model.js";
import { save } from "./save.js";

// The most faces that are described: those seen longest.
const MOST_FACES = 12;
// Milliseconds between two drawings of the timeline, and those over which the speed is measured.
const [REDRAWN, WINDOW] = [500, 5000];

// "every frame", "every second frame", "every third frame"; then "every 4th".
const NTH = { 1: "", 2: "second ", 3: "third " };

// Said of a film whose frames cannot be numbered.
const NO_NUMBERS =
  " The CSV has their times, but no numbers: their rate varies, or this browser does not tell it.";

let count = 0;

/**
 * Make the card of a film that is not looked at yet.
 * @param {File} file
 * @param {() => string[]} answers returns the classes that may be the answer
 * @param {() => void} removed called when the user removes the card
 */
export function filmCard(file, answers, removed) {
  const address = URL.createObjectURL(file);
  const id = `film-${++count}`;
  const button = (text, onclick) => h("button", { class: "button", type: "button", onclick }, text);

  const video = h("video", { playsinline: true, preload: "auto", "aria-label": `The film ${file.name}` });
  video.muted = true;
  const boxes = h("canvas", { "aria-hidden": "true" });
  const stage = h("div", { class: "stage" }, video, boxes);
  const times = timeline(file.name, (at) => (video.currentTime = start + at));
  const play = button("Play", playOrPause);
  const time = h("span", { class: "soft time" });
  const player = h("div", { class: "row" }, play, time);
  const watched = h("div", { class: "watched" }, stage, times.element, player);

  const status = h("p", { role: "status" }, "Waiting");
  const progress = h("progress", { max: 1, value: 0, "aria-label": `Looked at ${file.name}` });
  const speed = h("p", { class: "soft small time" });
  const summary = h("ul", { class: "courses" });
  const stop = button("Stop", () => (stopped = true));
  const table = button("Download CSV", () => {
    const text = filmTable(looked, answers());
    save(new Blob([text], { type: "text/csv" }), `${stem(file.name)}.csv`);
  });
  const remove = button("Remove", removed);
  remove.setAttribute("aria-label", `Remove ${file.name}`);
  const element = h(
    "li",
    { class: "film", "aria-labelledby": id },
    watched,
    h(
      "div",
      { class: "text" },
      h("h3", { id, class: "name", title: file.name }, file.name),
      ...[status, progress, speed, summary],
      h("div", { class: "row" }, stop, table, remove),
    ),
  );
  watched.hidden = progress.hidden = stop.hidden = true;
  play.disabled = table.disabled = true;

  // The answers of the classifier, and those that are shown.
  let all = [];
  let looked = [];
  let labels = [];
  let stopped = false;
  let done = false;
  let gone = false;
  // The time of the film's first frame, and its length, in seconds.
  let [start, seconds] = [0, 0];
  let frame = 0;
  const resized = new ResizeObserver(() => seconds && show());

  /** Look at the film's frames until its end, or until it is stopped. */
  async function run() {
    try {
      seconds = await open(video, address);
    } catch {
      return fail("this browser cannot play it: it plays .mp4 with H.264, and .webm with VP8, VP9 or AV1");
    }
    stage.style.aspectRatio = Math.max(3 / 4, video.videoWidth / video.videoHeight);
    watched.hidden = progress.hidden = stop.hidden = false;
    resized.observe(stage);
    let error = null;
    try {
      await lookAt();
    } catch (reason) {
      error = reason;
    }
    if (gone) return;
    if (error) fail(error.message);
    if (looked.length) ready();
  }

  async function lookAt() {
    let rule = "";
    let rate = 0;
    status.textContent = "Measuring how long a frame lasts";
    const frames = lookAtFrames(video, seconds, ({ start: first, length, constant }) => {
      again();
      start = first;
      const step = every(length);
      rate = 1 / (step * length);
      rule = constant
        ? `every ${NTH[step] ?? `${step}th `}frame, ${+rate.toFixed(1)} per second of film`
        : `one frame every ${+(1 / rate).toFixed(2)} seconds of film`;
      status.textContent = `Looking at ${rule}`;
    });
    const answered = [performance.now()];
    let drawn = 0;
    for await (const one of frames) {
      if (stopped) break;
      all.push(one);
      looked.push(only(one));
      const now = performance.now();
      answered.push(now);
      while (answered[0] < now - WINDOW) answered.shift();
      const each = (now - answered[0]) / (answered.length - 1) / 1000;
      tell(one.at / seconds, 1 / each, (seconds - one.at) * rate * each);
      show(one.at);
      if (now < drawn + REDRAWN) continue;
      drawn = now;
      times.draw(looked, labels, seconds);
    }
    const until = `Stopped at ${clock(looked.at(-1)?.at ?? 0)} of ${clock(seconds)}. `;
    const said = `Looked at ${counted(looked.length, "frame")}: ${rule}.`;
    status.textContent = (stopped ? until : "") + said + (numbered(looked) ? "" : NO_NUMBERS);
  }

  function tell(share, rate, left) {
    progress.value = share;
    speed.textContent = `${Math.floor(100 * share)} % · ${rate.toFixed(1)} frames/s · ${clock(left)} left`;
  }

  function fail(text) {
    status.replaceChildren(h("span", { class: "bad" }, `${file.name}: ${text}`));
    progress.hidden = stop.hidden = true;
    table.hidden = !looked.length;
  }

  /** Let the film be played, and its answers be saved. */
  function ready() {
    const focused = document.activeElement === stop;
    progress.hidden = speed.hidden = stop.hidden = true;
    play.disabled = table.disabled = false;
    times.enable();
    done = true;
    again();
    for (const name of ["play", "pause"])
      video.addEventListener(name, () => (play.textContent = video.paused ? "Play" : "Pause"));
    video.addEventListener("play", follow);
    video.addEventListener("seeked", () => show());
    video.currentTime = start;
    if (focused) play.focus();
  }

  const only = (one) => answeredOnly(one, model().details, answers());

  /** Show the answers among those that are asked for now. */
  function again() {
    labels = model().details.unsure ? [...answers(), "unsure"] : answers();
    looked = all.map(only);
    if (!done) return;
    times.draw(looked, labels, seconds);
    summary.replaceChildren(...summaryOf(looked, labels));
    show();
  }

  function playOrPause() {
    // A film that is paused before it begins to play is no fault.
    if (video.paused) video.play().catch(() => {});
    else video.pause();
  }

  /** Show the boxes of each frame while the film plays. */
  function follow() {
    video.cancelVideoFrameCallback(frame);
    frame = video.requestVideoFrameCallback((_, { mediaTime }) => {
      show(mediaTime - start);
      if (!video.paused) follow();
    });
  }

  function show(at = video.currentTime - start) {
    const answer = answerAt(looked, at);
    drawFaces(boxes, answer, false);
    time.textContent = `${clock(at)} of ${clock(seconds)}`;
    times.show(at, `${time.textContent}: ${answer ? saidOf(answer) : "not looked at"}`);
  }

  return {
    element,
    run,
    again,
    pause: () => looked.length && video.pause(),
    forget() {
      gone = stopped = true;
      resized.disconnect();
      close(video);
      URL.revokeObjectURL(address);
      all = looked = [];
    },
  };
}

const stem = (name) => name.replace(/\.[^.]*$/, "");

const saidOf = ({ label, probabilities, faces }) =>
  (faces.length ? faces : [{ label, probabilities }])
    .map((one) => line(one.label, one.probabilities))
    .join(", ");

/** Return what each face showed, those seen longest first, and what else there is to say. */
function summaryOf(looked, labels) {
  const found = courses(looked);
  const rows = found.slice(0, MOST_FACES).map(({ track, from, to, shares }) => {
    const shown = labels.filter((label) => shares[label]);
    const bar = shown.map((label) => {
      const part = h("i", { class: `part ${look(label)}` });
      part.style.flexGrow = shares[label];
      return part;
    });
    const words = shown.map((label) => `${nameOf(label)} ${whole(shares[label])}`).join(", ");
    return h(
      "li",
      { class: "shares" },
      h("b", {}, track === undefined ? "The film" : `Face ${track}`),
      ` ${clock(from)} to ${clock(to)}`,
      h("span", { class: "whole", "aria-hidden": "true" }, ...bar),
      `${words} of the time`,
    );
  });
  const others = found.length - rows.length;
  if (others) rows.push(h("li", {}, `${counted(others, "more face")}, seen in no more frames than these`));
  const rest = [];
  const without = faceless(looked);
  if (without) rest.push(`no face in ${whole(without)} of the time`);
  if (cutsOf(looked)) rest.push(counted(cutsOf(looked), "cut"));
  if (rest.length) rows.push(h("li", { class: "soft" }, rest.join(" · ")));
  return rows;
}

const whole = (share) => `${Math.round(100 * share)} %`;
