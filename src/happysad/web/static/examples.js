// The examples of Try: drawn faces, for visitors who have no photo at hand.

// The number of examples; happysad's drawn_examples.py draws them.
const EXAMPLES = 6;

/** Load the examples. */
export const loadExamples = () =>
  Promise.all(Array.from({ length: EXAMPLES }, (_, place) => load(`drawn-${place + 1}.jpg`)));

async function load(name) {
  const answer = await fetch(new URL(`examples/${name}`, import.meta.url));
  if (!answer.ok) throw new Error(`The examples could not be loaded: the host answered ${answer.status}.`);
  return new File([await answer.blob()], name, { type: "image/jpeg" });
}
