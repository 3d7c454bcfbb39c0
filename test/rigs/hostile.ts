/** Hostile JSON: values on which careless checks, conversions and loops fail. */
export const hostileValues: readonly unknown[] = [
  { length: { toString: 1 } },
  { length: 3, 0: 'a' },
  { toString: 1 },
  { toString: 1, valueOf: 1 },
  JSON.parse('{"toJSON": 1, "then": 1, "constructor": null}'),
  [{ toString: 1 }],
  [[[[{ toString: 1 }]]]],
  { size: { toString: 1 }, [Symbol.iterator.toString()]: 1 },
  JSON.parse('{"__proto__": {"length": 1}}'),
  Number.POSITIVE_INFINITY,
  -0,
  null,
  true,
  '',
  '\u0000',
  '\ud800',
  '\u202e\u200b',
  'x'.repeat(5_000),
  '__proto__',
  Array.from({ length: 300 }, () => null),
];

/** The value as text: JSON has no Infinity, but readers convert 1e999 to it. */
export const hostileJson = (value: unknown): string =>
  JSON.stringify(value, (_, one) => (one === Number.POSITIVE_INFINITY ? '@@infinity' : one)).replaceAll(
    '"@@infinity"',
    '1e999',
  );

/** Deeply nested and valid JSON. */
export const deepJson = (levels: number): string => `${'[{"a":'.repeat(levels)}1${'}]'.repeat(levels)}`;
