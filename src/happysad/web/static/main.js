// The page: which view is shown, and the footer.

import { at, tell } from "./dom.js";
import { loadModel, modelName, onModel } from "./model.js";
import { VIEWS } from "./views.js";

let shown = null;

function show(focus) {
  const asked = location.hash.slice(1);
  // For an unknown name, the current view stays.
  const name = Object.hasOwn(VIEWS, asked) ? asked : (asked && shown) || "try";
  if (name === shown) return;
  if (shown) VIEWS[shown].leave();
  shown = name;
  for (const each of Object.keys(VIEWS)) at(`view-${each}`).hidden = each !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = at(`${name}-title`);
  document.title = `${document.querySelector('nav [aria-current="page"]').textContent} · happysad`;
  if (focus) title.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  VIEWS[name].enter();
}

for (const view of Object.values(VIEWS)) view.start();

// Otherwise the browser would replace this page by a file that is dropped outside a drop area.
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => event.preventDefault());
}
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  at("main").focus();
});
window.addEventListener("hashchange", () => show(true));
window.addEventListener("pagehide", () => VIEWS[shown].leave());
onModel((row) => {
  at("footer-model").textContent = row.name ? `Answers come from ${modelName(row)}.` : "happysad";
});
show(false);
loadModel().catch((error) => tell(at("notice"), error.message));
