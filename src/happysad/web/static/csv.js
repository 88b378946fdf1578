// Rows as happysad predict --csv writes them, character by character.

const FLOATS = /^(probability|p_.*)$/s;

/**
 * Return the rows of /v1/predict as CSV, with the number of faces instead of the faces.
 * @param {object[]} rows
 * @param {string[]} classes the possible answers
 */
export function csv(rows, classes) {
  const flat = rows.map((row) => columns(row, classes));
  const names = Object.keys(columns({ faces: [], notes: [] }, classes));
  const lines = flat.map((cells) =>
    names.map((name) => cell(FLOATS.test(name) ? float(cells[name]) : cells[name])).join(","),
  );
  return [names.map(cell).join(","), ...lines, ""].join("\n");
}

/** Return a row with the columns of happysad.predictions.flat, in the same order. */
function columns({ schema, path, classifier, label, probability, ...row }, classes) {
  return {
    schema,
    path,
    path_bytes: row.path_bytes,
    classifier,
    label,
    probability,
    ...Object.fromEntries(classes.map((name) => [`p_${name}`, row.probabilities?.[name]])),
    faces: row.error ? null : row.faces.length,
    notes: row.notes.join("; "),
    error_code: row.error?.code,
    error: row.error?.text,
  };
}

/** Return a value as a cell. */
export function cell(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Return a float as Python writes it: 1.0 and 5e-05, not 1 and 0.00005. */
export function float(value) {
  if (value === null || value === undefined) return null;
  if (value !== 0 && Math.abs(value) < 1e-4)
    return value.toExponential().replace(/e-(\d)$/, "e-0$1");
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
