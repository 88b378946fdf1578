// Create elements. Text is always inserted as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Find an element by its id. */
export const at = (id) => document.getElementById(id);

/** Make an HTML element; functions become listeners, null and false leave an attribute out. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Show a text in an element; without a text, hide the element. */
export function tell(element, text) {
  element.hidden = !text;
  if (element.textContent !== (text ?? "")) element.textContent = text ?? "";
}

/** Write a number with its noun: "1 photo", "1,200 photos". */
export function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Write a list: "one", "one and two", "one, two and three". */
export function inWords(items, last = "and") {
  const before = items.slice(0, -1).join(", ");
  return before ? `${before} ${last} ${items.at(-1)}` : items.join("");
}

/** Ask whether to delete something; return the answer. */
export function sure(title, text) {
  const dialog = at("sure");
  at("sure-title").textContent = title;
  at("sure-text").textContent = text;
  return new Promise((resolve) => {
    at("sure-no").onclick = () => dialog.close("no");
    at("sure-yes").onclick = () => dialog.close("yes");
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.returnValue = "no";
    dialog.showModal();
  });
}
