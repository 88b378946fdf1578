// The webcam: open it, take pictures, close it.

/** The messages for the browser's errors: the reason, and what to do. */
const REASONS = {
  NotAllowedError:
    "The browser does not allow this page to use the camera. Allow it next to the address, and start again.",
  NotFoundError: "No camera was found. Plug one in and start again.",
  OverconstrainedError: "That camera is no longer there. Choose another.",
  NotReadableError: "The camera cannot be read. Perhaps another program uses it.",
  AbortError: "The camera stopped. Start it again.",
};

/** Return the message for an error of the camera. */
export const cameraReason = (error) =>
  REASONS[error.name] ?? `The camera cannot be used: ${error.message}`;

/** Open the camera with the given id, or the default one, and show it in a video element. */
export async function openCamera(video, id) {
  if (!navigator.mediaDevices)
    throw new DOMException(
      "browsers allow it only for https pages, and for pages of this machine at localhost.",
      "SecurityError",
    );
  const which = id ? { deviceId: { exact: id } } : { facingMode: "user" };
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { ...which, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
  });
  video.srcObject = stream;
  // A camera that faces the user is shown as a mirror; one that faces away is not.
  const { facingMode } = stream.getVideoTracks()[0].getSettings();
  video.classList.toggle("mirror", facingMode !== "environment");
  try {
    await video.play();
  } catch (error) {
    closeCamera(video, stream);
    throw error;
  }
  return stream;
}

/** Close the camera, so that its light goes out. */
export function closeCamera(video, stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/** Return all cameras; their names are known only after one was opened. */
export async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === "videoinput");
}

/** Take a picture as a JPEG whose longer side has at most `longest` pixels. */
export function grab(video, canvas, longest) {
  const { videoWidth: width, videoHeight: height } = video;
  const factor = Math.min(1, longest / Math.max(width, height));
  const wide = Math.round(width * factor);
  const high = Math.round(height * factor);
  // Setting a canvas's size clears it, which costs time.
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  canvas.getContext("2d").drawImage(video, 0, 0, wide, high);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
}
