// The worker: onnxruntime-web with both networks, and the photos and frames that they answer.

import * as ort from "./onnxruntime/ort.wasm.bundle.min.mjs";
import { Classifier } from "./classifier.js";
import { Follower } from "./follower.js";
import { Photo, reduction } from "./photo.js";
import { reduced } from "./pixels.js";

// More pixels than this are always reduced, whatever the type of the file.
const MOST = 50_000_000;
const MOST_THREADS = 4;
// The names of HEIC and HEIF at the start of their files.
const HEIC = /^ftyp(heic|heix|hevc|hevx|heim|heis|mif1|msf1)/;

let classifier = null;
// One for the camera, and one for each film that is looked at, by the numbers of their streams.
const followers = new Map();

const CALLS = { start, predict, follow, frame, leave };
// Calls wait for each other, since a network answers one of them at a time.
let last = Promise.resolve();

addEventListener("message", ({ data: { id, name, values } }) => {
  last = last.then(async () => {
    try {
      postMessage({ id, answer: await CALLS[name](...values) });
    } catch (error) {
      postMessage({ id, error: error.message });
    }
  });
});

/** Load onnxruntime-web and the networks; report the bytes that have arrived. */
async function start(row, { runtime, yunet, model }) {
  const whole = runtime.bytes + yunet.bytes + model.bytes;
  let arrived = 0;
  const load = (part) =>
    content(part.address, (bytes) => {
      arrived += bytes;
      postMessage({ arrived: arrived / whole });
    });
  const [packed, ...networks] = await Promise.all([runtime, yunet, model].map(load));
  const { wasm } = ort.env;
  wasm.wasmBinary = await unpacked(packed);
  // More than one thread needs memory that threads share, which only some hosts allow.
  wasm.numThreads = self.crossOriginIsolated
    ? Math.min(MOST_THREADS, navigator.hardwareConcurrency)
    : 1;
  const [faces, answers] = [await session(networks[0]), await session(networks[1])];
  classifier = new Classifier(row, (inputs) => answer(answers, inputs), (planes, width, height) =>
    outputsOf(faces, { [faces.inputNames[0]]: new ort.Tensor(planes, [1, 3, height, width]) }),
  );
  return { threads: wasm.numThreads };
}

async function content(address, arrived) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} could not be loaded: the host answered ${answer.status}`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    parts.push(value);
    arrived(value.length);
  }
}

/** Return the content of a gzip file; some hosts have unpacked it on the way. */
async function unpacked(blob) {
  const [first, second] = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  const packed = first === 0x1f && second === 0x8b;
  const stream = packed ? blob.stream().pipeThrough(new DecompressionStream("gzip")) : blob.stream();
  return new Response(stream).arrayBuffer();
}

const session = async (blob) =>
  ort.InferenceSession.create(await blob.arrayBuffer(), {
    executionProviders: ["wasm"],
    // Only fatal errors are logged: YuNet's file names the shapes for 640x640 pixels.
    logSeverityLevel: 4,
  });

async function outputsOf(network, feeds) {
  const results = await network.run(feeds);
  const outputs = Object.fromEntries(Object.entries(results).map(([name, one]) => [name, one.data]));
  for (const one of [...Object.values(feeds), ...Object.values(results)]) one.dispose();
  return outputs;
}

const answer = (network, inputs) =>
  outputsOf(
    network,
    Object.fromEntries(
      Object.entries(inputs).map(([name, { data, shape }]) => [
        name,
        new ort.Tensor(data instanceof Uint8Array ? "uint8" : "float32", data, shape),
      ]),
    ),
  );

/** Answer a photo; a photo that the browser cannot open has an error, in one line. */
async function predict(file, answers) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
    });
  } catch {
    return failed(await unreadable(file));
  }
  try {
    const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
    const jpeg = start[0] === 0xff && start[1] === 0xd8;
    return await classifier.predict(new Photo((least) => view(bitmap, jpeg, least)), answers);
  } finally {
    bitmap.close();
  }
}

async function unreadable(file) {
  if (!file.size) return ["empty", "the file is empty"];
  const name = new TextDecoder("latin1").decode(await file.slice(4, 12).arrayBuffer());
  return HEIC.test(name)
    ? ["unsupported", "this browser cannot open HEIC photos; Safari can, or save it as a JPEG"]
    : ["not_an_image", "not a picture that this browser can open"];
}

const failed = ([code, text]) => ({
  schema: 2,
  path: null,
  classifier: classifier.row.id,
  label: null,
  probability: null,
  probabilities: null,
  faces: [],
  notes: [],
  error: { code, text },
});

/** Return a view as libjpeg decodes it: only JPEGs, and very large pictures, are reduced. */
function view(bitmap, jpeg, least) {
  const { width, height } = bitmap;
  let by = jpeg ? reduction(width, height, least) : 1;
  while ((width * height) / by ** 2 > MOST && by < 8) by *= 2;
  return { pixels: pixelsOf(bitmap, by), reduced: by };
}

function pixelsOf(bitmap, by) {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, Math.min(height, 256));
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const read = (top, rows) => {
    brush.fillStyle = "white";
    brush.fillRect(0, 0, width, rows);
    brush.drawImage(bitmap, 0, top, width, rows, 0, 0, width, rows);
    return brush.getImageData(0, 0, width, rows).data;
  };
  return reduced(read, width, height, by);
}

/** Begin to follow faces. */
function follow(stream) {
  followers.set(stream, new Follower(classifier));
}

/** End it. */
function leave(stream) {
  followers.delete(stream);
}

/** Answer a frame, taken at a time in seconds; after a cut, its faces are new. */
async function frame(stream, bitmap, at, cut) {
  try {
    const follower = followers.get(stream);
    if (cut) follower.forget();
    return await follower.step(pixelsOf(bitmap, 1), at);
  } finally {
    bitmap.close();
  }
}
