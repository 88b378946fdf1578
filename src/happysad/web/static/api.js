// Requests to the server. Every error is one line; a request to a busy server is repeated.

const TRIES = 10;
// Maximum number of photos and of bytes in a request: small, so that answers come soon, and far
// below the server's limits.
const FILES = 8;
const BYTES = 12 * 1024 * 1024;

/** An error answer, with the server's message. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

/**
 * Send a request to the server, and return its answer.
 * @param {string} path
 * @param {RequestInit} options
 * @param {(seconds: number) => void} waiting called when the server is busy
 * @returns {Promise<Response>}
 * @throws {Refused} if the server refuses, or does not answer
 */
export async function ask(path, options = {}, waiting = () => {}) {
  for (let tries = 1; ; tries++) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      throw new Refused("The server does not answer. Is it still running?", 0);
    }
    const after = Number(answer.headers.get("Retry-After"));
    if ([429, 503].includes(answer.status) && after > 0 && tries < TRIES) {
      waiting(after);
      await wait(after);
    } else if (answer.ok) {
      return answer;
    } else {
      throw new Refused(await reason(answer), answer.status);
    }
  }
}

async function reason(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

/** Ask for JSON. */
export const get = async (path) => (await ask(path)).json();

/** Send JSON, or nothing; return the JSON of the answer. */
export async function post(path, body) {
  const options = { method: "POST" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  return (await ask(path, options)).json();
}

/** Split a list of files into batches, one for each request. */
export function* batches(files) {
  let batch = [];
  let bytes = 0;
  for (const file of files) {
    if (batch.length === FILES || (batch.length && bytes + file.size > BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(file);
    bytes += file.size;
  }
  if (batch.length) yield batch;
}

/** Send photos as a form. */
export async function send(path, files, waiting) {
  const body = new FormData();
  for (const file of files) body.append("files", file, file.name);
  return (await ask(path, { method: "POST", body }, waiting)).json();
}
