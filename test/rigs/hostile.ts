/** JSON that no sane client sends: values on which careless checks, conversions and loops fail. */
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

/** As it goes over the wire: JSON has no Infinity, but a reader makes it of 1e999. */
export const hostileJson = (value: unknown): string =>
  JSON.stringify(value, (_, one) => (one === Number.POSITIVE_INFINITY ? '@@infinity' : one)).replaceAll(
    '"@@infinity"',
    '1e999',
  );

/** Nested deeper than anybody's stack is used to, and closed properly. */
export const deepJson = (levels: number): string => `${'[{"a":'.repeat(levels)}1${'}]'.repeat(levels)}`;
