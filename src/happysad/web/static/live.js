// Live: the webcam's frames are answered one by one, and boxes are drawn over the video.

import { cameraReason, cameras, closeCamera, openCamera } from "./camera.js";
import { at, counted, h, tell } from "./dom.js";
import { drawFaces } from "./draw.js";
import { follow, grab } from "./engine.js";
import { line, scale, shown } from "./label.js";
import { Mood } from "./mood.js";
import { showMood } from "./mood_lanes.js";
import { onModel } from "./model.js";

// The longer side of a frame that is sent, in pixels.
const LONGEST = 640;
// A waiting frame that is older than this, in milliseconds, is replaced by the next one.
const STALE = 50;
// Milliseconds until the page connects again to a server that ended the view.
const RETRY = 2000;
// The figures are over the answers of the last WINDOW milliseconds; if there are fewer than two,
// over the last two answers within RARE milliseconds.
const WINDOW = 2000;
const RARE = 10000;
// Milliseconds for which labels must stay the same before a screen reader announces them.
const STEADY = 1500;

let video, stream, connection, timer, where;
let state = "off";
let attempt = 0;
let fresh = false;
let wanted = null;
let answers = [];
let mood = new Mood();
let said = { text: "", since: 0, told: "" };

/** Set up the view. */
export function start() {
  video = at("live-video");
  where = at("live-message").textContent;
  at("live-start").addEventListener("click", () => begin());
  at("live-stop").addEventListener("click", () => {
    end();
    at("live-start").focus();
  });
  at("live-pause").addEventListener("click", () => (state === "paused" ? resume() : pause()));
  at("live-camera").addEventListener("change", (event) => {
    const { value } = event.target;
    end();
    begin(value);
  });
  onModel(figures);
}

export function enter() {}

/** The camera stops when the view is left. */
export function leave() {
  end();
}

async function begin(id) {
  if (state !== "off") return;
  const mine = ++attempt;
  change("starting");
  trouble("");
  at("live-message").textContent = "Asking for the camera";
  try {
    const opened = await openCamera(video, id);
    // The user has left the view meanwhile.
    if (mine !== attempt) return closeCamera(video, opened);
    stream = opened;
  } catch (error) {
    if (mine !== attempt) return;
    change("off");
    at("live-message").textContent = cameraReason(error);
    return;
  }
  stream.getVideoTracks()[0].addEventListener("ended", () => {
    end();
    at("live-message").textContent = "The camera was disconnected. Connect it and start it again.";
  });
  change("running");
  offerCameras();
  at("live-pause").focus();
  watch();
  timer = setInterval(figures, 250);
  connect();
}

function end() {
  attempt += 1;
  clearInterval(timer);
  // First, so that closing the connection does not open it again.
  change("off");
  connection?.close();
  connection = null;
  closeCamera(video, stream);
  stream = null;
  wanted = null;
  answers = [];
  mood = new Mood();
  said = { text: "", since: 0, told: "" };
  drawFaces(at("live-boxes"), null);
  figures();
  at("live-label").replaceChildren(h("p", { class: "soft" }, "The result appears here."));
  at("live-message").textContent = where;
}

function pause() {
  change("paused");
  video.pause();
}

async function resume() {
  change("running");
  await video.play();
  answers = [];
  if (connection.isClosed()) connect();
}

function change(to) {
  state = to;
  const on = to === "running" || to === "paused";
  at("live-cover").hidden = on;
  at("live-start").disabled = to === "starting";
  at("live-stop").disabled = at("live-pause").disabled = !on;
  at("live-pause").textContent = to === "paused" ? "Resume" : "Pause";
}

const trouble = (text) => tell(at("live-trouble"), text);

async function offerCameras() {
  const all = await cameras();
  at("live-pick").hidden = all.length < 2;
  const used = stream?.getVideoTracks()[0].getSettings().deviceId;
  at("live-camera").replaceChildren(
    ...all.map(({ deviceId, label }, place) =>
      h("option", { value: deviceId, selected: deviceId === used }, label || `Camera ${place + 1}`),
    ),
  );
}

/** Note when the camera has a new picture. */
function watch() {
  const mine = stream;
  const look = () => {
    if (stream !== mine) return;
    fresh = true;
    wanted?.();
    watch();
  };
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(look);
  else requestAnimationFrame(look);
}

async function newFrame() {
  if (!fresh) await new Promise((resolve) => (wanted = resolve));
  wanted = null;
  fresh = false;
}

/** Begin to follow faces; each frame is sent after the answer to the previous one. */
function connect() {
  let busy = false;
  let ready = null;
  let began = 0;

  const here = () => mine === connection && state !== "off" && mine.isOpen();

  /** Keep a frame ready while another is answered, so that it can be sent without waiting. */
  async function take() {
    while (here()) {
      await newFrame();
      const at = performance.now();
      if (state !== "running" || (ready && at - ready.at < STALE)) continue;
      const frame = await grab(video, LONGEST);
      if (frame) ready = { frame, at };
      send();
    }
  }

  function send() {
    if (busy || !ready || !here() || state !== "running") return;
    mine.send(ready.frame);
    busy = true;
    began = ready.at;
    ready = null;
  }

  const mine = follow({
    opened() {
      trouble("");
      take();
    },
    answered(answer) {
      busy = false;
      if (mine !== connection) return;
      show(answer, began);
      send();
    },
    closed(opened) {
      // The server closes a view that is paused for a long time; resuming opens it again.
      if (mine !== connection || state !== "running") return;
      trouble(
        opened
          ? "The server closed the connection. Connecting again."
          : "The server refuses the connection: too many views may be open, or the server has stopped. Connecting again.",
      );
      setTimeout(() => mine === connection && state === "running" && connect(), RETRY);
    },
  });
  connection = mine;
}

function show(answer, began) {
  if (answer.error) return trouble(answer.error.text);
  trouble("");
  drawFaces(at("live-boxes"), answer, video.classList.contains("mirror"));
  const now = performance.now();
  answers.push({ at: now, latency: now - began, server: answer.milliseconds });
  mood.add(now, answer);
  tellLabel(answer);
  say(answer, now);
}

function tellLabel({ label, probabilities, faces }) {
  const parts = [h("p", { class: "label" }, ...shown(label, probabilities))];
  if (probabilities) parts.push(scale(probabilities));
  if (faces.length > 1)
    parts.push(
      h("p", { class: "soft small" }, `${counted(faces.length, "face")}, larger ones count more.`),
    );
  if (label === "no_face")
    parts.push(
      h("p", { class: "soft small" }, "No face was found. Come closer, into better light."),
    );
  at("live-label").replaceChildren(...parts);
}

/** Let a screen reader announce the labels when they change for more than a moment. */
function say({ label, faces }, now) {
  const text = faces.length
    ? `${counted(faces.length, "face")}: ${faces.map((face) => line(face.label, null)).join(", ")}`
    : line(label, null);
  if (text !== said.text) said = { ...said, text, since: now };
  if (text !== said.told && now - said.since > STEADY) {
    said.told = text;
    at("live-said").textContent = text;
  }
}

function figures() {
  const now = performance.now();
  if (state !== "paused") {
    showMood(at("live-mood"), mood, now);
    const many = answers.filter((one) => one.at >= now - WINDOW);
    answers = many.length > 1 ? many : answers.slice(-2).filter((one) => one.at >= now - RARE);
  }
  const seconds = (answers.at(-1)?.at - answers[0]?.at) / 1000;
  const rate = answers.length > 1 ? ((answers.length - 1) / seconds).toFixed(1) : "–";
  at("live-rate").textContent = rate;
  at("live-latency").textContent = milliseconds("latency");
  at("live-server").textContent = milliseconds("server");
}

function milliseconds(name) {
  const values = answers.map((one) => one[name]).sort((one, other) => one - other);
  return values.length ? `${Math.round(values[values.length >> 1])} ms` : "–";
}
