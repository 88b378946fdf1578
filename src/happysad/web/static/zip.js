// Write ZIP archives whose files are stored as they are. Source: PKWARE, APPNOTE.TXT 6.3.10, 4.3.

// A name is UTF-8 (bit 11 of the flags); the time is the earliest, 1 January 1980.
const UTF8 = 0x0800;
const TIME = 0x0021_0000;
// Without ZIP64, sizes and places have 32 bits.
const MOST = 0xffff_ffff;

/**
 * Return files as an archive.
 * @param {{name: string, blob: Blob}[]} files at most 65,535
 * @returns {Promise<Blob>}
 * @throws {Error} if they have more than 4 GB
 */
export async function zip(files) {
  const parts = [];
  const entries = [];
  let offset = 0;
  for (const { name, blob } of files) {
    const text = new TextEncoder().encode(name);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const both = [2, 20, 2, UTF8, 2, 0, 4, TIME, 4, crc32(bytes), 4, blob.size, 4, blob.size];
    const names = [2, text.length, 2, 0];
    entries.push(record(4, 0x0201_4b50, 2, 20, ...both, ...names, 2, 0, 2, 0, 2, 0, 4, 0, 4, offset), text);
    const header = record(4, 0x0403_4b50, ...both, ...names);
    parts.push(header, text, blob);
    offset += header.length + text.length + blob.size;
    if (offset > MOST) throw new Error("An archive holds at most 4 GB: show fewer photos.");
  }
  const size = entries.reduce((all, one) => all + one.length, 0);
  const count = [2, files.length, 2, files.length];
  const end = record(4, 0x0605_4b50, 2, 0, 2, 0, ...count, 4, size, 4, offset, 2, 0);
  return new Blob([...parts, ...entries, end], { type: "application/zip" });
}

/** Return numbers as bytes, the lowest first; before each number stands its number of bytes. */
function record(...fields) {
  const bytes = [];
  for (let at = 0; at < fields.length; at += 2)
    for (let place = 0; place < fields[at]; place++)
      bytes.push((fields[at + 1] >>> (8 * place)) & 0xff);
  return Uint8Array.from(bytes);
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb8_8320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(bytes) {
  let crc = MOST;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ MOST) >>> 0;
}

/** Return names, with numbers where they would occur again: "a.png", "a-2.png". */
export function distinct(names) {
  const given = new Set();
  return names.map((name) => {
    const [, stem, ending] = name.match(/^(.*?)(\.[^.]*)?$/s);
    let free = name;
    for (let number = 2; given.has(free); number++) free = `${stem}-${number}${ending ?? ""}`;
    given.add(free);
    return free;
  });
}
