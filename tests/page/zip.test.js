import assert from "node:assert/strict";
import { test } from "node:test";

import { distinct, zip } from "./zip.js";

test("an archive of one file", async () => {
  const blob = new Blob(["123456789"]);
  const bytes = new DataView(await (await zip([{ name: "é", blob }])).arrayBuffer());
  assert.equal(bytes.getUint32(0, true), 0x04034b50);
  assert.equal(bytes.getUint32(14, true), 0xcbf43926); // the CRC-32 of these nine bytes
  assert.deepEqual([18, 22].map((at) => bytes.getUint32(at, true)), [9, 9]);
  assert.equal(bytes.getUint16(26, true), 2);
  const central = 30 + 2 + 9;
  assert.equal(bytes.getUint32(central, true), 0x02014b50);
  assert.equal(bytes.getUint32(central + 42, true), 0);
  const end = central + 46 + 2;
  assert.equal(bytes.getUint32(end, true), 0x06054b50);
  assert.deepEqual([12, 16].map((at) => bytes.getUint32(end + at, true)), [48, central]);
  assert.equal(bytes.byteLength, end + 22);
});

test("an archive of more than 4 GB is refused", async () => {
  const blob = { size: 2 ** 31, arrayBuffer: async () => new ArrayBuffer(0) };
  const files = ["a", "b"].map((name) => ({ name, blob }));
  await assert.rejects(zip(files), /at most 4 GB/);
});

test("names are distinct", () => {
  assert.deepEqual(distinct(["a.png", "a.png", "a-2.png", "b", "b", "a.png"]), [
    "a.png",
    "a-2.png",
    "a-2-2.png",
    "b",
    "b-2",
    "a-3.png",
  ]);
});
