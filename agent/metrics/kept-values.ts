/** Maximum number of values of a label; further values are counted together, because a PLC may send any recipe name. */
const labelValuesKept = 64;

/** The first values keep their name; all later ones become `other`. */
export function keptValues(limit = labelValuesKept): (value: string) => string {
  const kept = new Set<string>();
  return (value) => {
    if (kept.size < limit) kept.add(value);
    return kept.has(value) ? value : 'other';
  };
}
