import { expect, it } from 'vitest';
import { learningFindings } from '../../calibration/cross-validate.ts';
import type { Learning } from '../../calibration/train/learning/learning.ts';

const learning = (low: number): Learning => ({
  state: 'gains',
  sentence: '20 more labels per class would improve the accuracy by about 3 points (2 to 5)',
  now: 12,
  points: [],
  curve: [],
  expected: [
    {
      more: 20,
      accuracy: { value: 0.03, low, high: 0.05 },
      balancedError: { value: 0, low: 0, high: 0 },
      escapes: null,
    },
  ],
  byLabel: ['pit', 'dent', 'good'].map((label) => ({
    label,
    more: 20,
    recall: { value: 0.03, low, high: 0.05 },
  })),
});

it('suggests more labels only if a gain of a point is certain', () => {
  expect(learningFindings({ answers: [] })).toEqual([]);
  expect(learningFindings({ answers: [], learning: learning(0.005) })).toEqual([]);
  expect(learningFindings({ answers: [], learning: learning(0.02) })).toEqual([
    {
      kind: 'more-labels',
      severity: 'hint',
      text: '20 more labels per class would improve the accuracy by about 3 points (2 to 5)',
      remedy: 'label more parts, pit and dent first',
      frames: [],
    },
  ]);
});
