// Teach's check of the examples.

import { get, post } from "./api.js";
import { at, counted, h } from "./dom.js";
import { fill, left } from "./progress.js";

const EVERY = 500;

// Counts of a check that are no faults.
const PLAIN = ["files", "readable", "used", "left_out", "groups"];

/** Ask for a check, and show its findings. */
export async function check() {
  const button = at("teach-check");
  const box = at("teach-findings");
  button.disabled = true;
  box.replaceChildren(h("p", {}, "Looking at every photo"));
  const timer = setInterval(follow, EVERY);
  try {
    const { findings, report } = await post("v1/teach/check");
    box.replaceChildren(...found(findings, report));
  } catch (error) {
    box.replaceChildren(h("p", { class: "notice bad" }, error.message));
  }
  clearInterval(timer);
  at("check-going").hidden = true;
  button.disabled = false;
}

/** Show how much of the running check is done. */
async function follow() {
  try {
    const step = await get("v1/teach/step");
    if (!at("teach-check").disabled) return;
    fill(at("check-progress"), step);
    at("check-left").textContent = step ? left(step) : "";
    at("check-going").hidden = false;
  } catch {
    // The check itself tells what is wrong.
  }
}

function found(findings, report) {
  const words = (name) => name.replaceAll("_", " ");
  const faults = Object.entries(findings).filter(([name, count]) => count && !PLAIN.includes(name));
  const link = h(
    "a",
    { href: report, target: "_blank", rel: "noopener" },
    "Open the report of the check",
  );
  const used =
    findings.used === undefined
      ? ""
      : `${counted(findings.used, "photo")} of ${findings.files.toLocaleString("en")} can be learned from. `;
  return [
    h("p", {}, used + (faults.length ? "Found on the way:" : "Nothing is wrong with them.")),
    faults.length
      ? h(
          "ul",
          { class: "findings" },
          faults.map(([name, count]) =>
            h("li", {}, h("b", {}, count.toLocaleString("en")), ` ${words(name)}`),
          ),
        )
      : null,
    h("p", {}, link),
  ].filter(Boolean);
}
