// Rows as happysad predict --csv writes them, to the letter.

const COLUMNS = ["schema", "path", "label", "p_sad", "faces", "error"];

/** Write the rows of /v1/predict as CSV; of the faces their number. */
export function csv(rows) {
  const lines = rows.map((row) => {
    const cells = { ...row, p_sad: float(row.p_sad), faces: row.faces.length };
    return COLUMNS.map((name) => cell(cells[name])).join(",");
  });
  return [COLUMNS.join(","), ...lines, ""].join("\n");
}

/** Offer a text as a file. */
export function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function cell(value) {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Write a float as Python does: 1.0 and 5e-05, not 1 and 0.00005. */
function float(value) {
  if (value === null) return null;
  if (value !== 0 && Math.abs(value) < 1e-4)
    return value.toExponential().replace(/e-(\d)$/, "e-0$1");
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
