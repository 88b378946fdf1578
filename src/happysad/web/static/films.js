// The films of Try: which files they are, and their cards; one film after the other is looked at.

import { at } from "./dom.js";
import { filmCard } from "./film.js";

const ENDINGS = /\.(mp4|m4v|webm|mov|mkv|avi|ogv|mpe?g|wmv|flv|3gp|mts|m2ts|ts)$/i;

let cards = [];
let waiting = Promise.resolve();

/** Return whether a file is a film, as far as its type or its name tells. */
const isFilm = ({ type, name }) => type.startsWith("video/") || (!type && ENDINGS.test(name));

/**
 * Take the films of some files; return the others.
 * @param {File[]} files
 * @param {() => string[]} answers returns the classes that may be the answer
 * @param {() => void} removed called when the user removes a film
 */
export function takeFilms(files, answers, removed) {
  for (const file of files.filter(isFilm)) {
    const card = filmCard(file, answers, () => {
      remove(card);
      removed();
    });
    cards.push(card);
    at("films").append(card.element);
    waiting = waiting.then(() => cards.includes(card) && card.run());
  }
  return files.filter((file) => !isFilm(file));
}

/** Whether there are films. */
export const haveFilms = () => cards.length > 0;

function remove(card) {
  const next = cards[cards.indexOf(card) + 1] ?? cards.at(-2);
  card.forget();
  card.element.remove();
  cards = cards.filter((one) => one !== card);
  (next?.element.querySelector("button[aria-label]") ?? at("choose")).focus();
}

/** Remove all films. */
export function clearFilms() {
  for (const card of cards) card.forget();
  cards = [];
  at("films").replaceChildren();
}

/** Show the answers among those that are asked for now. */
export function answerFilms() {
  for (const card of cards) card.again();
}

/** Films that play stop while the view is away. */
export function pauseFilms() {
  for (const card of cards) card.pause();
}
