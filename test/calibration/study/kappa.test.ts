import { describe, expect, it } from 'vitest';
import { cohenKappa, fleissKappa, readingOf } from '../../../calibration/study/kappa.ts';

/** All pairs of a table of counts: row is the answer of one rater, column of the other. */
const pairsOf = (table: readonly (readonly number[])[]) =>
  table.flatMap((row, a) =>
    row.flatMap((count, b) => Array.from({ length: count }, () => [String(a), String(b)] as const)),
  );

describe("Cohen's kappa", () => {
  it('is 0.492 for the table of Cohen (1960), 200 subjects in three categories', () => {
    const table = [
      [88, 14, 18],
      [10, 40, 10],
      [2, 6, 12],
    ];
    expect(cohenKappa(pairsOf(table))).toBeCloseTo(0.492, 3);
  });

  it('is 0.86 for appraisers A and B of AIAG (MSA, 4th edition, attribute study)', () => {
    const kappa = cohenKappa(
      pairsOf([
        [44, 6],
        [3, 97],
      ]),
    );
    expect(kappa).toBeCloseTo(0.863, 3);
    expect(readingOf(kappa)).toBe('good');
  });

  it('is 1 for equal answers, 0 for chance, negative for less, null without anything to compare', () => {
    expect(
      cohenKappa(
        pairsOf([
          [3, 0],
          [0, 5],
        ]),
      ),
    ).toBe(1);
    expect(
      cohenKappa(
        pairsOf([
          [5, 5],
          [5, 5],
        ]),
      ),
    ).toBe(0);
    expect(
      cohenKappa(
        pairsOf([
          [0, 5],
          [5, 0],
        ]),
      ),
    ).toBe(-1);
    expect(cohenKappa(pairsOf([[7]]))).toBeNull();
    expect(cohenKappa([])).toBeNull();
  });
});

describe("Fleiss' kappa", () => {
  it('is 0.210 for the worked example with 14 raters, 10 subjects and 5 categories', () => {
    const table = [
      [0, 0, 0, 0, 14],
      [0, 2, 6, 4, 2],
      [0, 0, 3, 5, 6],
      [0, 3, 9, 2, 0],
      [2, 2, 8, 1, 1],
      [7, 7, 0, 0, 0],
      [3, 2, 6, 3, 0],
      [2, 5, 3, 2, 2],
      [6, 5, 2, 1, 0],
      [0, 2, 2, 3, 7],
    ];
    const answers = table.map((row) => row.flatMap((count, label) => Array(count).fill(String(label))));
    expect(fleissKappa(answers)).toBeCloseTo(0.21, 3);
  });

  it('is 1 for equal answers, null for one rater, for no part, and if all answers are the same', () => {
    expect(
      fleissKappa([
        ['a', 'a'],
        ['b', 'b'],
      ]),
    ).toBe(1);
    for (const answers of [[], [['a'], ['b']], [['a', 'a']]]) expect(fleissKappa(answers)).toBeNull();
  });
});

it('reads kappa as AIAG does', () => {
  expect([0.76, 0.75, 0.4, 0.39, null].map(readingOf)).toEqual(['good', 'fair', 'fair', 'poor', 'undefined']);
});
