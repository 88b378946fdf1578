// Teach's second half: the running training, its curves, and the finished runs.

import { get, post } from "./api.js";
import { chart, table } from "./curves.js";
import { at, counted, h } from "./dom.js";
import { modelName, setModel } from "./model.js";

const EVERY = 1000;
// Fewer test photos than this leave balanced accuracy wide open.
const FEW = 50;
const RUNNING = ["checking", "training", "judging"];

let timer = null;
let here = false;
let last = null;
let going = false;
let enough = false;
// The notes about the photos that are learned from.
const notes = h("ul", { class: "plain", hidden: true });

/** Make the two steps work. */
export function start() {
  at("job-status").after(notes);
  at("teach-train").addEventListener("click", train);
  at("teach-stop").addEventListener("click", stop);
}

/** Note whether there are examples of both classes. */
export function allow(there) {
  enough = there;
  at("teach-train").disabled = going || !enough;
}

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
    allow(enough);
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
  else if (RUNNING.includes(last)) ended();
  last = job?.state ?? null;
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
  const teach = await get("v1/teach");
  runs(teach);
  if (focused) at("teach-train").focus();
}

function show(job, running) {
  going = running;
  allow(enough);
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
  progress.max = Math.max(1, job.epochs);
  // Without a value, the bar shows activity but no progress.
  if (job.state === "training" && job.epochs) progress.value = job.epoch;
  else progress.removeAttribute("value");
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

function inWords({ state, epoch, epochs, error }) {
  return {
    checking: "Looking at the photos, and cutting out their faces.",
    training: epochs
      ? `Training: ${epoch} of ${counted(epochs, "epoch")} done.`
      : "Learning from the faces.",
    judging: "Trained. Now it is judged by faces that it has not learned from.",
    done: "Done. The new classifier stands below.",
    failed: `It failed: ${error}`,
    stopped: "Stopped. Nothing was kept of it.",
  }[state];
}

function runs({ runs: all, in_use: used, own }) {
  const words = all.length
    ? "What came of each training. Balanced accuracy is the share it told right in faces that it had not learned from, both classes counting alike."
    : "What you train stands here, with its report, to be used at once or taken along.";
  at("runs-words").textContent = words;
  at("runs").replaceChildren(
    ...(all.length
      ? [
          h(
            "ul",
            { class: "runs" },
            all.map((run) => one(run, run.id === used)),
          ),
        ]
      : []),
    back(used, own),
  );
}

function one(run, used) {
  const few =
    run.n_test < FEW
      ? h(
          "p",
          { class: "soft small" },
          "So few test faces tell little: the report says between which figures the truth lies.",
        )
      : null;
  return h(
    "li",
    { class: used ? "used" : null },
    h(
      "div",
      { class: "grow" },
      h("h3", {}, `Run ${run.id}`, used ? h("span", { class: "chip used" }, "in use") : null),
      h("p", {}, h("b", {}, counted(run.n_test, "test face")), `: ${accuracy(run)}`),
      few,
      run.notes.map((words) => h("p", { class: "soft small" }, words)),
    ),
    h(
      "div",
      { class: "row" },
      h(
        "a",
        {
          class: "button",
          href: run.report,
          target: "_blank",
          rel: "noopener",
          "aria-label": `Open the report of run ${run.id}`,
        },
        "Open the report",
      ),
      h(
        "a",
        {
          class: "button",
          href: run.model,
          download: `happysad-run-${run.id}.onnx`,
          "aria-label": `Download run ${run.id} as .onnx`,
        },
        "Download .onnx",
      ),
      used
        ? null
        : h(
            "button",
            {
              class: "button primary",
              type: "button",
              "aria-label": `Use run ${run.id} now`,
              onclick: () => use(run.id),
            },
            "Use it now",
          ),
    ),
  );
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
  const words = `Try and Live are now answered by run ${used}, also when the server starts again.`;
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

async function use(run) {
  try {
    setModel(await post("v1/teach/use", { run }));
    runs(await get("v1/teach"));
    at("runs-title").tabIndex = -1;
    at("runs-title").focus({ preventScroll: true });
  } catch (error) {
    at("runs").append(h("p", { class: "notice bad", role: "alert" }, error.message));
  }
}
