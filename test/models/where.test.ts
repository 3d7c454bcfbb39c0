import { describe, expect, it } from 'vitest';
import type { Rules } from '../../models/verdict.ts';
import { boxesIn, locate } from '../../models/where.ts';

/** A map from rows of digits; a dot is an ordinary cell. */
function map(...rows: string[]) {
  const data = Float32Array.from(rows.join(''), (one) => (one === '.' ? 0 : Number(one)));
  return { data, height: rows.length, width: rows[0]!.length };
}

const rules: Rules = { thresholds: { pass: 0.7, fail: 0.6 }, where: 3, good: ['good'] };
const fail = { verdict: 'fail', label: 'scratch' } as const;

describe('boxes', () => {
  it('are connected cells of at least half the peak, the highest first', () => {
    expect(boxesIn(map('.........9', '..6.......', '...4......', '2.........'), 3)).toEqual([
      { x: 0.9, y: 0, width: 0.1, height: 0.25, score: 9 },
      { x: 0.2, y: 0.25, width: 0.1, height: 0.25, score: 6 },
    ]);
    // Connected by a corner.
    expect(boxesIn(map('.........6', '..5.......', '...4......', '2.........'), 3)).toMatchObject([
      { score: 6 },
      { x: 0.2, y: 0.25, width: 0.2, height: 0.5, score: 5 },
    ]);
  });

  it('are none below the limit, and at most five', () => {
    expect(boxesIn(map('2.2', '...', '.1.'), 3)).toEqual([]);
    expect(boxesIn(map('4.2', '...', '...'), 3)).toHaveLength(1);
    expect(boxesIn(map('4.4.4.4.4.4.4', '.............'), 3)).toHaveLength(5);
    expect(boxesIn({ data: new Float32Array(4).fill(Number.NaN), height: 2, width: 2 }, 3)).toEqual([]);
    expect(boxesIn({ data: Float32Array.of(1, Number.POSITIVE_INFINITY), height: 1, width: 2 }, 3)).toEqual(
      [],
    );
  });
});

describe('places on the image', () => {
  const at = map('....', '...8', '....', '....');

  it('are relative to the whole image, and have a description', () => {
    const region = { x: 0.5, y: 0.2, width: 0.4, height: 0.8 };
    expect(locate(at, fail, rules, false, region)).toEqual({
      places: [{ x: 0.8, y: 0.4, width: 0.1, height: 0.2, score: 8, label: 'scratch' }],
      words: 'scratch on the right, about 6 % of the image',
    });
    expect(locate(map('.......', '.......', '......4'), fail, rules, false).words).toBe(
      'scratch at the lower right, about 5 % of the image',
    );
  });

  it('have no label without a defect', () => {
    const uncertain = { verdict: 'uncertain', label: 'good' } as const;
    const { places, words } = locate(at, uncertain, rules, false);
    expect(places).toMatchObject([{ x: 0.75, y: 0.25, label: null }]);
    expect(words).toBe('different from good parts on the right, about 6 % of the image');
    expect(locate(at, { ...uncertain, label: 'scratch' }, rules, true).places).toMatchObject([
      { label: null },
    ]);
    expect(locate(at, { ...uncertain, label: 'scratch' }, rules, false).places).toMatchObject([
      { label: 'scratch' },
    ]);
  });

  it('are none for a part that passes, for a head that does not locate, and without a limit', () => {
    expect(locate(at, { verdict: 'pass', label: 'good' }, rules, false)).toEqual({ places: [] });
    expect(locate(undefined, fail, rules, false)).toEqual({ places: [] });
    expect(locate(at, fail, { ...rules, where: undefined }, false)).toEqual({ places: [] });
  });
});
