/** The upper median; 0 for an empty list. */
export function median(values: Float32Array | readonly number[]): number {
  const sorted = values instanceof Float32Array ? values.toSorted() : values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
