// Examples from the webcam: takes pictures while a button is held.

import { cameraReason, closeCamera, grab, openCamera } from "./camera.js";
import { at } from "./dom.js";

// Milliseconds between two pictures while a button is held.
const EVERY = 250;
// The longer side of a picture in pixels.
const LONGEST = 640;

const canvas = document.createElement("canvas");
let buttons = [];
let stream = null;
let attempt = 0;
let holding = null;
let shots = 0;

/** Start the camera; the buttons can be held from then on. */
export async function openEyes(say) {
  const mine = ++attempt;
  const message = at("teach-camera-message");
  at("teach-camera").disabled = true;
  message.textContent = "Asking for the camera";
  try {
    const opened = await openCamera(at("teach-video"));
    // The user has left the view meanwhile.
    if (mine !== attempt) return closeCamera(at("teach-video"), opened);
    stream = opened;
    see(true);
    buttons[0].focus();
    say("The camera runs. Hold a class’s button while you make the face.");
  } catch (error) {
    if (mine === attempt) message.textContent = cameraReason(error);
  }
  if (mine === attempt) at("teach-camera").disabled = false;
}

/** Stop the camera. */
export function closeEyes() {
  attempt += 1;
  at("teach-camera").disabled = false;
  at("teach-camera-message").textContent =
    "With a webcam you can collect examples of your own face.";
  if (holding) release(holding.button);
  closeCamera(at("teach-video"), stream);
  stream = null;
  see(false);
}

function see(open) {
  at("teach-cover").hidden = open;
  for (const button of buttons) button.disabled = !open;
}

/** Forget the buttons that are no longer on the page. */
export const forgetButtons = () => (buttons = []);

/**
 * Let a button be held, by mouse, finger or key; a click without a press takes one picture.
 * @param {HTMLButtonElement} button
 * @param {(files: File[]) => void} take called with the pictures at the end
 */
export function holdable(button, take) {
  const words = button.textContent;
  let pressed = false;
  buttons.push(button);
  const press = (event) => {
    if (event.repeat || holding) return;
    pressed = true;
    hold(button, words, take);
  };
  const isKey = (event) => event.key === " " || event.key === "Enter";
  button.addEventListener("pointerdown", (event) => event.button === 0 && press(event));
  button.addEventListener("keydown", (event) => isKey(event) && press(event));
  button.addEventListener("keyup", (event) => isKey(event) && release(button));
  for (const type of ["pointerup", "pointercancel", "pointerleave", "blur"])
    button.addEventListener(type, () => release(button));
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("click", async () => {
    // Assistive technology clicks without pressing.
    if (!pressed) take(await shoot());
    pressed = false;
  });
}

function hold(button, words, take) {
  const mine = { button, words, take, taken: [] };
  holding = mine;
  button.classList.add("held");
  const next = async () => {
    mine.taken.push(...(await shoot()));
    // The button may have been released while the picture was taken.
    if (holding !== mine) return finish(mine);
    button.textContent = `${mine.taken.length} taken`;
    mine.timer = setTimeout(next, EVERY);
  };
  next();
}

function release(button) {
  if (holding?.button !== button) return;
  const mine = holding;
  holding = null;
  clearTimeout(mine.timer);
  finish(mine);
}

function finish({ button, words, take, taken }) {
  button.classList.remove("held");
  button.textContent = words;
  take(taken.splice(0));
}

/** Take a picture; return no file where the camera shows none. */
async function shoot() {
  const jpeg = await grab(at("teach-video"), canvas, LONGEST);
  const name = `webcam-${Date.now()}-${++shots}.jpg`;
  return jpeg ? [new File([jpeg], name, { type: "image/jpeg" })] : [];
}
