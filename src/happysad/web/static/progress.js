// How much of the server's work is done, and the time that the rest takes.

/** Show a step in a bar; without a step, the bar shows activity but no progress. */
export function fill(bar, step) {
  if (step) bar.value = step.share;
  else bar.removeAttribute("value");
}

/** Return how much of the running work is done, and the time that the rest takes. */
export function left({ done, total, noun = "", seconds_left: seconds }) {
  const words = total ? `${done.toLocaleString("en")} of ${total.toLocaleString("en")}${noun} done. ` : "";
  return seconds === null ? words : `${words}${time(seconds)} left until the end.`;
}

function time(seconds) {
  if (seconds < 5) return "A few seconds";
  if (seconds < 90) return `About ${5 * Math.round(seconds / 5)} s`;
  return `About ${Math.round(seconds / 60)} min`;
}
