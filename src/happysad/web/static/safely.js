// HTML from the server, rebuilt from a fixed set of elements.

// The only pictures that are kept: those of the card, from this host.
const PICTURE = /^v1\/card\/\w+\.png$/;

const TAGS = new Set(
  "p ul ol li strong em b i code pre blockquote hr br a table thead tbody tr th td".split(" "),
);
// The page has its own first heading.
const HEADINGS = { H1: "h2", H2: "h3", H3: "h4", H4: "h5", H5: "h6", H6: "h6" };

/** Return an HTML text as a fragment without scripts, styles, attributes or foreign pictures. */
export function safely(html) {
  const fragment = document.createDocumentFragment();
  fragment.append(...children(new DOMParser().parseFromString(html, "text/html").body));
  return fragment;
}

const children = (node) => [...node.childNodes].flatMap(copy);

function copy(node) {
  if (node.nodeType === Node.TEXT_NODE) return [node.textContent];
  if (node.nodeType !== Node.ELEMENT_NODE) return [];
  const name = node.localName;
  if (["script", "style", "template"].includes(name)) return [];
  if (name === "img") return picture(node);
  const inside = children(node);
  const tag = HEADINGS[node.tagName] ?? (TAGS.has(name) ? name : null);
  if (!tag) return inside;
  const made = document.createElement(tag);
  made.append(...inside);
  if (tag === "a") link(made, node);
  return tag === "table" ? [scrolled(made)] : [made];
}

function picture(node) {
  const address = node.getAttribute("src") ?? "";
  if (!PICTURE.test(address)) return [];
  const made = document.createElement("img");
  made.alt = node.getAttribute("alt") ?? "";
  made.src = address;
  return [made];
}

function link(made, node) {
  const address = node.getAttribute("href") ?? "";
  if (!/^https?:/i.test(address)) return;
  made.href = address;
  made.rel = "noopener noreferrer";
  made.target = "_blank";
}

/** Let a wide table scroll by itself, also by keyboard. */
function scrolled(table) {
  for (const cell of table.querySelectorAll("thead th")) cell.scope = "col";
  const box = document.createElement("div");
  box.className = "scroll";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `Table: ${table.rows[0]?.cells[0]?.textContent || "figures"}`);
  box.append(table);
  return box;
}
