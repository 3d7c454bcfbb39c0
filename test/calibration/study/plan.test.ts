import { expect, it } from 'vitest';
import type { LabelledFrame } from '../../../calibration/dataset/frame.ts';
import { chooseParts, orderOf } from '../../../calibration/study/plan.ts';
import { seededRandom } from '../../../calibration/train/random.ts';

const frames = (label: string, count: number): LabelledFrame[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `${label}-${n}`,
    label,
    file: '',
    // Two frames of each part.
    partId: `${label}-part-${Math.floor(n / 2)}`,
    labelledAt: '',
    labelledBy: '',
  }));

it('chooses different parts, balanced over the labels as far as they have enough', () => {
  const all = [...frames('good', 200), ...frames('scratch', 30), ...frames('dent', 6)];
  const chosen = chooseParts(all, 30, seededRandom(1));
  const count = (label: string) => chosen.filter((one) => one.label === label).length;
  expect(new Set(chosen.map(({ partId }) => partId)).size).toBe(30);
  expect(count('dent')).toBe(3);
  expect([count('good'), count('scratch')].sort()).toEqual([13, 14]);
  expect(chooseParts(frames('dent', 6), 30, seededRandom(1)).length).toBe(3);
});

it('shows every part once in each trial, in another order for each operator and trial, never twice in a row', () => {
  const orders = [0, 1, 2].map((operator) => orderOf({ seed: 5, trials: 3, parts: 12 }, operator));
  const trials = orders.flatMap((order) =>
    [0, 1, 2].map((trial) => order.slice(trial * 12, trial * 12 + 12)),
  );
  for (const trial of trials) expect([...trial].sort((a, b) => a - b)).toEqual([...Array(12).keys()]);
  expect(new Set(trials.map((trial) => trial.join())).size).toBe(9);
  for (let seed = 0; seed < 200; seed++) {
    const order = orderOf({ seed, trials: 4, parts: 3 }, 0);
    expect(order.some((part, i) => part === order[i + 1])).toBe(false);
  }
  expect(orderOf({ seed: 5, trials: 3, parts: 12 }, 0)).toEqual(orders[0]);
});
