// Curves of a training, drawn as SVG, with the same in words and in numbers.

import { counted, h, s } from "./dom.js";

const WIDTH = 380;
const HEIGHT = 220;
const LEFT = 44;
const RIGHT = 10;
const TOP = 12;
const BOTTOM = 30;
// Minimum number of epochs on the axis, so that it does not jump with the first ones.
const EPOCHS = 5;

/**
 * Draw one measure of a history, for training and validation.
 * @param {HTMLElement} figure
 * @param {string} title
 * @param {{epoch: number}[]} history
 * @param {string} name the measure's key; the key for validation is "val_" and name
 */
export function chart(figure, title, history, name, { least, most, percent = false }) {
  const series = [
    ["training", history.map((row) => row[name])],
    ["validation", history.map((row) => row[`val_${name}`])],
  ];
  const highest = most ?? nice(Math.max(...series.flatMap(([, values]) => values), 0.1));
  const last = Math.max(EPOCHS, history.at(-1)?.epoch ?? 0);
  const x = (epoch) => LEFT + ((epoch - 1) / (last - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - (value - least) / (highest - least)) * (HEIGHT - TOP - BOTTOM);
  const write = (value) =>
    percent ? `${Math.round(100 * value)} %` : String(Number(value.toPrecision(2)));
  const label = inWords(title, history, series, percent);
  figure.replaceChildren(
    h("figcaption", {}, h("b", {}, title), ...legend()),
    s(
      "svg",
      { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      ...[0, 0.25, 0.5, 0.75, 1].map((share) => grid(least + share * (highest - least), y, write)),
      ...[1, Math.ceil(last / 2), last].map((epoch) =>
        s(
          "text",
          {
            class: "tick",
            x: x(epoch),
            y: HEIGHT - 10,
            "text-anchor": epoch === last ? "end" : "middle",
          },
          epoch === last ? `epoch ${epoch}` : String(epoch),
        ),
      ),
      ...series.flatMap(([kind, values]) =>
        curve(kind, history, values, x, (value) => y(Math.min(value, highest))),
      ),
    ),
  );
}

function grid(value, y, write) {
  return s(
    "g",
    {},
    s("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
    s("text", { class: "tick", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, write(value)),
  );
}

function curve(kind, history, values, x, y) {
  const points = history
    .map((row, place) => [x(row.epoch), values[place]])
    .filter(([, value]) => Number.isFinite(value))
    .map(([across, value]) => [across.toFixed(1), y(value).toFixed(1)]);
  if (!points.length) return [];
  const [cx, cy] = points.at(-1);
  return [
    s("polyline", { class: kind, points: points.map((point) => point.join()).join(" ") }),
    s("circle", { class: kind, cx, cy, r: 3.5 }),
  ];
}

const legend = () =>
  ["training", "validation"].map((kind) =>
    h(
      "span",
      { class: "legend" },
      s(
        "svg",
        { viewBox: "0 0 24 8", "aria-hidden": "true", focusable: "false" },
        s("line", { class: kind, x1: 1, x2: 23, y1: 4, y2: 4 }),
      ),
      kind,
    ),
  );

function inWords(title, history, series, percent) {
  if (!history.length) return `${title}: no epoch is done yet.`;
  const write = (value) => (percent ? `${(100 * value).toFixed(1)} %` : value.toFixed(3));
  const said = series.map(
    ([kind, values]) => `${kind} ${write(values[0])} at first, ${write(values.at(-1))} now`,
  );
  return `${title} after ${counted(history.length, "epoch")}: ${said.join("; ")}.`;
}

/** The next round number above. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 8, 10].map((step) => step * power).find((step) => step >= value);
}

/** The history as a table. */
export function table(history) {
  const columns = ["epoch", "loss", "val_loss", "accuracy", "val_accuracy"];
  const titles = ["Epoch", "Loss", "Loss, validation", "Accuracy", "Accuracy, validation"];
  const rows = history.map((row) =>
    h(
      "tr",
      {},
      columns.map((name) =>
        h("td", {}, name === "epoch" ? String(row.epoch) : row[name].toFixed(3)),
      ),
    ),
  );
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        titles.map((title) => h("th", { scope: "col" }, title)),
      ),
    ),
    h("tbody", {}, rows),
  );
}
