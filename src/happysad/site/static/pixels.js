// Pictures as pixels, resized and warped as OpenCV does it in happysad's Python.

/**
 * A picture: one byte per channel, row by row.
 * @typedef {{data: Uint8Array, width: number, height: number, channels: number}} Picture
 */

/** Make a black picture, or one of the given data. */
export const picture = (
  width,
  height,
  channels,
  data = new Uint8Array(width * height * channels),
) => ({ data, width, height, channels });

/** Round to the nearest whole number; halves to the even one, as Python and OpenCV round. */
export function round(value) {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/**
 * Read a picture in strips, and average blocks of `by` times `by` pixels.
 * @param {(top: number, rows: number) => Uint8ClampedArray} read returns rows of RGBA
 * @param {number} width the full width
 * @param {number} height the full height
 * @param {number} by 1, 2, 4 or 8
 * @returns {Picture} RGB
 */
export function reduced(read, width, height, by) {
  const made = picture(Math.ceil(width / by), Math.ceil(height / by), 3);
  const strip = 256;
  for (let top = 0; top < height; top += strip) {
    const rows = Math.min(strip, height - top);
    if (by === 1) copy(read(top, rows), made, top);
    else average(read(top, rows), width, rows, by, made, top / by);
  }
  return made;
}

function copy(rgba, { data, width }, first) {
  for (let from = 0, to = first * width * 3; from < rgba.length; from += 4) {
    data[to++] = rgba[from];
    data[to++] = rgba[from + 1];
    data[to++] = rgba[from + 2];
  }
}

function average(rgba, width, rows, by, made, first) {
  let to = first * made.width * 3;
  for (let top = 0; top < rows; top += by) {
    const bottom = Math.min(top + by, rows);
    for (let left = 0; left < width; left += by) {
      const right = Math.min(left + by, width);
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let y = top; y < bottom; y++) {
        for (let at = 4 * (y * width + left), end = 4 * (y * width + right); at < end; at += 4) {
          red += rgba[at];
          green += rgba[at + 1];
          blue += rgba[at + 2];
        }
      }
      const count = (bottom - top) * (right - left);
      made.data[to++] = red / count + 0.5;
      made.data[to++] = green / count + 0.5;
      made.data[to++] = blue / count + 0.5;
    }
  }
}

/** Return an RGB picture as grey: the luma of ITU-R BT.601, as cv2.COLOR_RGB2GRAY. */
export function grey({ data, width, height, channels }) {
  if (channels === 1) return picture(width, height, 1, data);
  const made = picture(width, height, 1);
  for (let at = 0, from = 0; at < made.data.length; at++, from += 3)
    made.data[at] =
      (data[from] * 9798 + data[from + 1] * 19235 + data[from + 2] * 3735 + 16384) >> 15;
  return made;
}

/** Return the part of a picture from `left` and `top`. */
export function part({ data, width, channels }, left, top, wide, high) {
  const made = picture(wide, high, channels);
  for (let y = 0; y < high; y++) {
    const from = ((top + y) * width + left) * channels;
    made.data.set(data.subarray(from, from + wide * channels), y * wide * channels);
  }
  return made;
}

/** Return a picture turned counterclockwise by quarter turns. */
export function turned(one, quarters) {
  for (; quarters > 0; quarters--) one = turnedOnce(one);
  return one;
}

function turnedOnce({ data, width, height, channels }) {
  const made = picture(height, width, channels);
  let to = 0;
  for (let x = width - 1; x >= 0; x--) {
    for (let y = 0; y < height; y++) {
      const from = (y * width + x) * channels;
      for (let channel = 0; channel < channels; channel++) made.data[to++] = data[from + channel];
    }
  }
  return made;
}

/** Copy a picture into a larger one. */
export function paste(into, one, left, top) {
  const row = one.width * one.channels;
  for (let y = 0; y < one.height; y++) {
    const to = ((top + y) * into.width + left) * into.channels;
    into.data.set(one.data.subarray(y * row, (y + 1) * row), to);
  }
}

/**
 * Return a picture of another size.
 * @param {Picture} one
 * @param {number} width
 * @param {number} height
 * @param {"area"|"linear"|"cubic"} way "area" averages; where a side grows, it interpolates as
 * cv2.INTER_AREA does
 * @returns {Picture}
 */
export function resize(one, width, height, way) {
  const { data, channels } = one;
  if (width === one.width && height === one.height) return one;
  if (way === "linear") return between(one, width, height, TAPS.linear);
  if (way === "area") {
    if (width > one.width || height > one.height) return between(one, width, height, TAPS.patches);
    if (2 * width === one.width && 2 * height === one.height) return halved(one);
  }
  const taps = TAPS[way];
  const { starts, places, weights } = taps(one.width, width);
  const down = taps(one.height, height);
  const row = width * channels;
  const rows = new Float32Array(one.height * row);
  const needed = new Uint8Array(one.height);
  for (const y of down.places) needed[y] = 1;
  for (let y = 0; y < one.height; y++) {
    if (!needed[y]) continue;
    const from = y * one.width * channels;
    for (let x = 0, to = y * row; x < width; x++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let tap = starts[x]; tap < starts[x + 1]; tap++)
          sum += data[from + places[tap] * channels + channel] * weights[tap];
        rows[to++] = sum;
      }
    }
  }
  const made = picture(width, height, channels);
  // It rounds halves to the even number, as OpenCV does, and keeps values from 0 to 255.
  const rounded = new Uint8ClampedArray(made.data.buffer);
  const sums = new Float32Array(row);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (let tap = down.starts[y]; tap < down.starts[y + 1]; tap++) {
      const from = down.places[tap] * row;
      const weight = down.weights[tap];
      for (let at = 0; at < row; at++) sums[at] += rows[from + at] * weight;
    }
    rounded.set(sums, y * row);
  }
  return made;
}

/** Resize by two taps for each side, in whole numbers, so that each level is that of OpenCV. */
function between(one, width, height, taps) {
  const [across, down] = [taps(one.width, width), taps(one.height, height)];
  const [columns, rows] = [across.weights, down.weights].map((all) =>
    Int32Array.from(all, (weight) => round(weight * 2048)),
  );
  const { channels } = one;
  const row = width * channels;
  const lines = [new Int32Array(row), new Int32Array(row)];
  const made = picture(width, height, channels);
  for (let y = 0; y < height; y++) {
    lines.forEach((line, tap) => {
      const from = down.places[2 * y + tap] * one.width;
      for (let x = 0, to = 0; x < width; x++) {
        const left = (from + across.places[2 * x]) * channels;
        const right = (from + across.places[2 * x + 1]) * channels;
        for (let channel = 0; channel < channels; channel++)
          line[to++] =
            one.data[left + channel] * columns[2 * x] +
            one.data[right + channel] * columns[2 * x + 1];
      }
    });
    const [above, below] = lines;
    const [first, second] = rows.subarray(2 * y, 2 * y + 2);
    for (let at = 0; at < row; at++)
      made.data[y * row + at] =
        ((((above[at] >> 4) * first) >> 16) + (((below[at] >> 4) * second) >> 16) + 2) >> 2;
  }
  return made;
}

/** Return a picture of half the sides; a last odd row or column is left out. */
export function halved({ data, width, height, channels }) {
  const made = picture(width >> 1, height >> 1, channels);
  const row = width * channels;
  let to = 0;
  for (let y = 0; y < made.height; y++) {
    for (let x = 0; x < made.width; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const at = 2 * y * row + 2 * x * channels + channel;
        const sum = data[at] + data[at + channels] + data[at + row] + data[at + row + channels];
        made.data[to++] = (sum + 2) >> 2;
      }
    }
  }
  return made;
}

/** For each pixel of a resized side, the places of the pixels it is made of and their weights. */
function gathered(length, size, each) {
  const starts = [0];
  const places = [];
  const weights = [];
  for (let at = 0; at < size; at++) {
    each(at, (place, weight) => {
      places.push(Math.min(Math.max(place, 0), length - 1));
      weights.push(weight);
    });
    starts.push(places.length);
  }
  return { starts, places: Int32Array.from(places), weights: Float32Array.from(weights) };
}

const TAPS = {
  area(length, size) {
    const scale = length / size;
    return gathered(length, size, (at, add) => {
      const from = at * scale;
      const to = Math.min(from + scale, length);
      for (let place = Math.floor(from); place < Math.ceil(to - 1e-9); place++) {
        const shared = Math.min(to, place + 1) - Math.max(from, place);
        if (shared > 1e-9) add(place, shared / (to - from));
      }
    });
  },
  // Both round as OpenCV does.
  linear(length, size) {
    const scale = 1 / (size / length);
    return gathered(length, size, (at, add) => {
      const middle = Math.fround((at + 0.5) * scale - 0.5);
      const place = Math.floor(middle);
      add(place, 1 - (middle - place));
      add(place + 1, middle - place);
    });
  },
  patches(length, size) {
    const scale = 1 / (size / length);
    return gathered(length, size, (at, add) => {
      const place = Math.floor(at * scale);
      const beyond = Math.fround(at + 1 - (place + 1) * (size / length));
      const share = beyond <= 0 ? 0 : beyond - Math.floor(beyond);
      add(place, 1 - share);
      add(place + 1, share);
    });
  },
  cubic(length, size) {
    return gathered(length, size, (at, add) => {
      const middle = (at + 0.5) * (length / size) - 0.5;
      const place = Math.floor(middle);
      for (let tap = -1; tap <= 2; tap++) add(place + tap, cubic(middle - place - tap));
    });
  },
};

// OpenCV's cubic kernel.
function cubic(distance) {
  const x = Math.abs(distance);
  const a = -0.75;
  if (x <= 1) return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1;
  return x < 2 ? a * (x ** 3 - 5 * x ** 2 + 8 * x - 4) : 0;
}

/**
 * Return a square whose pixels are taken from a picture, as cv2.warpAffine with WARP_INVERSE_MAP:
 * between pixels it interpolates linearly, in steps of 1/32; outside it repeats the border.
 * @param {Picture} one
 * @param {number[]} matrix six numbers, row by row
 * @param {number} size
 * @returns {Picture}
 */
export function warp({ data, width, height, channels }, matrix, size) {
  const [xx, xy, xo, yx, yy, yo] = matrix;
  const made = picture(size, size, channels);
  const place = (x, y) => {
    const column = Math.min(Math.max(x, 0), width - 1);
    return (Math.min(Math.max(y, 0), height - 1) * width + column) * channels;
  };
  let to = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const across = (round((xy * y + xo) * 1024) + 16 + round(xx * x * 1024)) >> 5;
      const down = (round((yy * y + yo) * 1024) + 16 + round(yx * x * 1024)) >> 5;
      const [left, top] = [across >> 5, down >> 5];
      const [right, bottom] = [(across & 31) / 32, (down & 31) / 32];
      const corners = [
        place(left, top),
        place(left + 1, top),
        place(left, top + 1),
        place(left + 1, top + 1),
      ];
      for (let channel = 0; channel < channels; channel++) {
        const [one, two, three, four] = corners.map((at) => data[at + channel]);
        const above = one + (two - one) * right;
        made.data[to++] = Math.floor(above + (three + (four - three) * right - above) * bottom + 0.5);
      }
    }
  }
  return made;
}

/** Return a picture as a network's input, as happysad.images.fit: a square, grey or colour. */
export function fit(one, size, channels) {
  const shown = channels === 1 ? grey(one) : one;
  return resize(shown, size, size, Math.max(one.width, one.height) > size ? "area" : "linear");
}

/**
 * Return a picture as tutorials for Keras resize it, as happysad.images.sample.
 * @param {Picture} one
 * @param {number} size
 * @param {number} channels
 * @param {"bilinear"|"nearest"} way
 * @returns {Float32Array} 0 to 255
 */
export function sample(one, size, channels, way) {
  const { data, width, height } = channels === 1 ? grey(one) : one;
  const made = new Float32Array(size * size * channels);
  const nearest = way === "nearest";
  const points = (length) => {
    const taps = nearest ? nearestTaps(length, size) : TAPS.linear(length, size);
    return [taps.places, taps.weights, nearest ? 1 : 2];
  };
  const [columns, across, count] = points(width);
  const [rows, down] = points(height);
  let to = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let one = y * count; one < (y + 1) * count; one++) {
          for (let other = x * count; other < (x + 1) * count; other++) {
            const level = data[(rows[one] * width + columns[other]) * channels + channel];
            sum += level * down[one] * across[other];
          }
        }
        made[to++] = sum;
      }
    }
  }
  return made;
}

const nearestTaps = (length, size) =>
  gathered(length, size, (at, add) => add(Math.floor((at + 0.5) * (length / size)), 1));
