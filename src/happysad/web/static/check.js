// Teach's check of the examples.

import { post } from "./api.js";
import { at, counted, h } from "./dom.js";

// Counts of a check that are no faults.
const PLAIN = ["files", "readable", "used", "left_out", "groups"];

/** Ask for a check, and show its findings. */
export async function check() {
  const button = at("teach-check");
  const box = at("teach-findings");
  button.disabled = true;
  box.replaceChildren(h("p", {}, "Looking at every photo"));
  try {
    const { findings, report } = await post("v1/teach/check");
    box.replaceChildren(...found(findings, report));
  } catch (error) {
    box.replaceChildren(h("p", { class: "notice bad" }, error.message));
  }
  button.disabled = false;
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
