/** Values a label may take before the rest is counted together: a PLC may send any recipe name. */
const labelValuesKept = 64;

/** The first values seen keep their name; all that come later share `other`. */
export function keptValues(limit = labelValuesKept): (value: string) => string {
  const kept = new Set<string>();
  return (value) => {
    if (kept.size < limit) kept.add(value);
    return kept.has(value) ? value : 'other';
  };
}
