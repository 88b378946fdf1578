// A film that goes to single frames, or plays.

// Milliseconds until a frame that is shown already is taken for the one at a time.
const SAME = 1000;
// Milliseconds until a film that does not go to a time is given up.
const PATIENCE = 30_000;

/** Return the next event of a film with this name; fail with an error of the film. */
function next(video, name) {
  const ends = new AbortController();
  const { signal } = ends;
  return new Promise((resolve, reject) => {
    const late = setTimeout(reject, PATIENCE, new Error("the film does not go on"));
    const end = (settle, value) => {
      clearTimeout(late);
      ends.abort();
      settle(value);
    };
    video.addEventListener(name, () => end(resolve), { signal });
    for (const wrong of ["error", "emptied"])
      video.addEventListener(wrong, () => end(reject, new Error("the film cannot be read on")), { signal });
  });
}

/**
 * Open a film.
 * @param {HTMLVideoElement} video
 * @param {string} address
 * @returns {Promise<number>} its length in seconds
 * @throws if the browser cannot play it
 */
export async function open(video, address) {
  const loaded = next(video, "loadeddata");
  video.src = address;
  await loaded;
  if (!video.videoWidth) throw new Error("no moving pictures");
  // The recordings of browsers state no length; at their end it is known.
  if (video.duration === Infinity) {
    const moved = next(video, "seeked");
    video.currentTime = Number.MAX_SAFE_INTEGER;
    await moved;
  }
  return Number.isFinite(video.duration) ? video.duration : video.currentTime;
}

/** Return a function that goes to a time of a film in seconds, and returns that of the frame there. */
export function seeker(video) {
  let last = 0;
  return async (at) => {
    for (;;) {
      await visible();
      const shown = new Promise((resolve) =>
        video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime)),
      );
      const moved = next(video, "seeked");
      video.currentTime = at;
      await moved;
      const same = new Promise((resolve) => setTimeout(() => resolve(last), SAME));
      last = await Promise.race([shown, same]);
      // A page that was hidden meanwhile has shown nothing.
      if (!document.hidden) return last;
    }
  };
}

/** Wait until the page is visible: browsers show no frames in hidden ones. */
async function visible() {
  while (document.hidden)
    await new Promise((resolve) =>
      document.addEventListener("visibilitychange", resolve, { once: true }),
    );
}

/** Let go of a film, so that its memory becomes free. */
export function close(video) {
  video.pause();
  video.removeAttribute("src");
  video.load();
}
