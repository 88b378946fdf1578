// The photos of a class: small pictures from the server, each with a button that removes it.

import { ask, get } from "./api.js";
import { h } from "./dom.js";

// The number of pictures that are shown at first, and that each "Show more" adds.
const SHOWN = 12;

/**
 * Return the photos of a class.
 * @param {string} label the class
 * @param {(counts: object) => void} counted called with the number of photos that are left
 * @param {(text: string) => void} say tells the user what was done
 */
export function gallery(label, counted, say) {
  const items = new Map();
  const address = `v1/teach/photos/${encodeURIComponent(label)}`;
  const list = h("ul", { class: "strip", "aria-label": `Photos of ${label}` });
  const more = h("button", { class: "button quiet", type: "button", hidden: true });
  let shown = SHOWN;
  let total = 0;
  let allowed = true;

  more.addEventListener("click", async () => {
    const before = list.children.length;
    shown += SHOWN;
    await show(total);
    list.children[before]?.querySelector("button").focus();
  });

  async function show(count) {
    total = count;
    const found = count ? await get(`${address}?count=${shown}`) : { names: [], total: 0 };
    // A later call shows what is there now.
    if (count !== total) return;
    const kept = found.names.map((name) => items.get(name) ?? item(name));
    items.clear();
    kept.forEach((one, place) => items.set(found.names[place], one));
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    list.replaceChildren(...kept);
    focused?.focus({ preventScroll: true });
    number();
    const rest = found.total - kept.length;
    more.hidden = rest <= 0;
    more.textContent = rest > SHOWN ? `Show ${SHOWN} of ${rest.toLocaleString("en")} more` : `Show ${rest} more`;
  }

  function item(name) {
    const picture = h("img", {
      src: `${address}/${name}`,
      alt: "",
      width: 64,
      height: 64,
    });
    const button = h(
      "button",
      { type: "button", class: "remove", onclick: () => remove(name) },
      "×",
    );
    return h("li", {}, picture, button);
  }

  /** Name the buttons by the places of their photos. */
  function number() {
    [...list.querySelectorAll("button")].forEach((button, place) => {
      button.disabled = !allowed;
      button.setAttribute("aria-label", `Remove photo ${place + 1} of ${label}`);
    });
  }

  async function remove(name) {
    const place = [...items.keys()].indexOf(name);
    try {
      const answer = await ask(`${address}/${name}`, { method: "DELETE" });
      const { counts } = await answer.json();
      items.get(name)?.remove();
      items.delete(name);
      number();
      const buttons = list.querySelectorAll("button");
      (buttons[place] ?? buttons[place - 1])?.focus();
      say(`One photo of ${label} is removed.`);
      counted(counts);
    } catch (error) {
      say(error.message);
    }
  }

  return {
    element: h("div", { class: "gallery" }, list, more),
    show: (count) => show(count).catch((error) => say(error.message)),
    allow(may) {
      allowed = may;
      number();
    },
  };
}
