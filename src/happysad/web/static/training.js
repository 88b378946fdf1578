// Teach's second half: the running training, its curves, and the finished runs.

import { get, post } from "./api.js";
import { chart, table } from "./curves.js";
import { at, counted, h, tell } from "./dom.js";
import { modelName, setModel } from "./model.js";
import { fill, left } from "./progress.js";

const EVERY = 1000;
const RUNNING = ["checking", "training", "judging"];

let timer = null;
let here = false;
let last = null;
let going = false;
let changed = () => {};
// The notes about the photos that are learned from.
const notes = h("ul", { class: "plain", hidden: true });

/**
 * Make the two steps work.
 * @param {() => void} whenChanged called when a training begins or ends
 */
export function start(whenChanged) {
  changed = whenChanged;
  at("job-status").after(notes);
  at("teach-train").addEventListener("click", train);
  at("teach-stop").addEventListener("click", stop);
}

/** Return whether a training is running. */
export const isGoing = () => going;

/** Show what GET /v1/teach said; follow a training that runs. */
export function enter(teach) {
  here = true;
  last = null;
  runs(teach);
  follow(teach.job);
}

export function leave() {
  here = false;
  clearTimeout(timer);
}

async function train() {
  at("teach-train").disabled = true;
  try {
    follow(await post("v1/teach/train"));
    at("teach-stop").focus();
  } catch (error) {
    changed();
    failed(error);
  }
}

async function stop() {
  at("teach-stop").disabled = true;
  try {
    follow(await post("v1/teach/stop"));
  } catch (error) {
    failed(error);
  }
}

function failed(error) {
  at("job-status").replaceChildren(h("span", { class: "bad" }, error.message));
}

/** Show a training, and ask again in a second while it runs. */
function follow(job) {
  clearTimeout(timer);
  const running = RUNNING.includes(job?.state);
  show(job, running);
  if (running) timer = setTimeout(poll, EVERY);
  const begun = RUNNING.includes(last?.state);
  if (begun && !running) ended();
  else if (begun && job.first && !last.first) results();
  last = job;
}

async function poll() {
  try {
    const job = await get("v1/teach/job");
    if (here) follow(job);
  } catch (error) {
    if (!here) return;
    failed(error);
    timer = setTimeout(poll, EVERY);
  }
}

async function ended() {
  const focused = document.activeElement === at("teach-stop");
  await results();
  if (focused) at("teach-train").focus();
}

async function results() {
  try {
    runs(await get("v1/teach"));
  } catch (error) {
    failed(error);
  }
}

function show(job, running) {
  going = running;
  changed();
  at("teach-stop").hidden = !running;
  at("teach-stop").disabled = !running;
  at("job").hidden = !job;
  const words = job ? inWords(job) : "";
  if (at("job-status").textContent !== words) at("job-status").textContent = words;
  at("job-status").classList.toggle("bad", job?.state === "failed");
  // The notes of a finished training are shown with its run.
  const said = job && job.state !== "done" ? job.notes : [];
  notes.hidden = !said.length;
  notes.replaceChildren(...said.map((words) => h("li", {}, words)));
  if (!job) return;
  const progress = at("job-progress");
  progress.hidden = !running;
  fill(progress, job.step);
  tell(at("job-left"), running && job.step ? left(ofEpochs(job)) : "");
  at("job").hidden = !running && !job.history.length;
  at("job-curves").hidden = !job.history.length && !(running && job.epochs);
  chart(at("chart-loss"), "Loss", job.history, "loss", { least: 0 });
  chart(at("chart-accuracy"), "Accuracy", job.history, "accuracy", {
    least: 0,
    most: 1,
    percent: true,
  });
  at("job-table").replaceChildren(table(job.history));
}

function inWords({ state, step, first, error }) {
  const kept = first ? "The first result is kept." : "Nothing was kept of it.";
  const doing = step ? `${step.what[0].toUpperCase()}${step.what.slice(1)}.` : "Starting.";
  const soon = first ? " The first result is below; the training goes on." : "";
  return {
    done: "Done. The new classifier is below.",
    failed: `It failed: ${error}${first ? ` ${kept}` : ""}`,
    stopped: `Stopped. ${kept}`,
  }[state] ?? `${doing}${soon}`;
}

/** Return the step of a training, which counts epochs while it learns. */
function ofEpochs({ step, epoch, epochs }) {
  if (step.what !== "training") return step;
  return { ...step, done: epoch, total: epochs, noun: " epochs" };
}

function runs({ runs: all, in_use: used, own }) {
  const words = all.length
    ? "Balanced accuracy is the share of right answers on faces that it has not learned from; both classes count alike."
    : "What you train appears here. You can use it on this page or download it.";
  at("runs-words").textContent = words;
  at("runs").replaceChildren(
    ...(all.length
      ? [
          h(
            "ul",
            { class: "runs" },
            all.map((run) => one(run, run.id === used?.run && run.first === used.first)),
          ),
        ]
      : []),
    back(used, own),
  );
}

function one(run, used) {
  const name = nameOf(run.id, run.first);
  return h(
    "li",
    { class: used ? "used" : null },
    h(
      "div",
      { class: "grow" },
      h("h3", {}, name, used ? h("span", { class: "chip used" }, "in use") : null),
      h("p", {}, h("b", {}, tested(run)), `: ${accuracy(run)}`),
      run.notes.map((words) => h("p", { class: "soft small" }, words)),
    ),
    h(
      "div",
      { class: "row" },
      run.report
        ? h(
            "a",
            {
              class: "button",
              href: run.report,
              target: "_blank",
              rel: "noopener",
              "aria-label": `Open the report of ${name}`,
            },
            "Open the report",
          )
        : null,
      h(
        "a",
        { class: "button", href: run.model, download: "", "aria-label": `Download .onnx of ${name}` },
        "Download .onnx",
      ),
      used
        ? null
        : h(
            "button",
            {
              class: "button primary",
              type: "button",
              "aria-label": `Use it now: ${name}`,
              onclick: () => use(run.id, run.first),
            },
            "Use it now",
          ),
    ),
  );
}

const nameOf = (id, first) => (first ? `run ${id}, first result` : `run ${id}`);

/** Return on how many faces a result rests. */
function tested({ n_test: n, first }) {
  return first
    ? `${counted(n, "face")}, each judged by a classifier that has not seen it`
    : counted(n, "test face");
}

function accuracy({ balanced_accuracy: value, interval }) {
  if (value === null) return "no balanced accuracy";
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const between =
    interval && interval[0] < interval[1]
      ? `${percent(interval[0])} to ${percent(interval[1])}`
      : "not known";
  return `balanced accuracy ${percent(value)} (95 % interval: ${between})`;
}

function back(used, own) {
  if (used === null)
    return h(
      "p",
      { class: "soft", role: "status" },
      `Try and Live are answered by ${modelName(own)}.`,
    );
  const words = `Try and Live are now answered by ${nameOf(used.run, used.first)}, also when the server starts again.`;
  return h(
    "p",
    { class: "row" },
    h("span", { class: "grow", role: "status" }, words),
    h(
      "button",
      { class: "button", type: "button", onclick: () => use(null) },
      own.shipped ? "Back to the one that comes with happysad" : `Back to “${own.name}”`,
    ),
  );
}

async function use(run, first = false) {
  try {
    setModel(await post("v1/teach/use", { run, first }));
    runs(await get("v1/teach"));
    at("runs-title").tabIndex = -1;
    at("runs-title").focus({ preventScroll: true });
  } catch (error) {
    at("runs").append(h("p", { class: "notice bad", role: "alert" }, error.message));
  }
}
