/** Seeded random numbers. */
export interface Random {
  /** From 0 up to but not including 1. */
  next(): number;
  between(min: number, max: number): number;
  /** A whole number from 0 to `count - 1`. */
  integer(count: number): number;
  pick<T>(choices: readonly [T, ...T[]]): T;
  /** A shuffled copy. */
  shuffled<T>(list: readonly T[]): T[];
}

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, sufficient for images. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (count: number) => Math.floor(next() * count);
  return {
    next,
    integer,
    between: (min, max) => min + (max - min) * next(),
    pick: (choices) => choices[integer(choices.length)] ?? choices[0],
    shuffled(list) {
      const result = [...list];
      for (let last = result.length - 1; last > 0; last--) {
        const other = integer(last + 1);
        [result[last], result[other]] = [result[other]!, result[last]!];
      }
      return result;
    },
  };
}

/** Derives an independent seed for one of many items, such as part 7 of the line with seed 3. */
export function mixSeeds(...seeds: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const seed of seeds) {
    hash = Math.imul(hash ^ seed, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    hash ^= hash >>> 13;
  }
  return hash >>> 0;
}
