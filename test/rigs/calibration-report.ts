/** Versions and reports for the calibration rig. */
import { createHash } from 'node:crypto';
import type { Report } from '../../calibration/train/report.ts';
import type { FramesPage, VersionView } from '../../calibration/views.ts';

export const idOf = (text: string) => createHash('sha256').update(text).digest('hex');

export function versionOf(version: string, accuracy: number): VersionView {
  return {
    version,
    active: false,
    createdAt: `${version.slice(0, 10)}T17:30:00.000Z`,
    by: 'operator',
    labels: ['good', 'scratch', 'dent', 'stain'],
    frames: 61,
    accuracy,
    allowed: true,
    gate: 'it is significantly better than guessing',
    damage: null,
    isBefore: false,
    decisions: [],
  };
}

/** A report with fixed figures. */
export function reportOf(
  { version, accuracy }: VersionView,
  frames: readonly FramesPage['items'][number][],
  gate: Report['gate'],
): Report {
  const labels = ['good', 'scratch', 'dent', 'stain'];
  const confusion = [
    [28, 0, 1, 0],
    [1, 12, 0, 0],
    [0, 0, 10, 0],
    [0, 0, 0, 9],
  ];
  const sum = (row: readonly number[]) => row.reduce((all, count) => all + count, 0);
  const perLabel = labels.map((label, k) => {
    const hit = confusion[k]![k]!;
    const recall = hit / sum(confusion[k]!);
    const precision = hit / sum(confusion.map((row) => row[k]!));
    return {
      label,
      precision,
      recall,
      f1: (2 * precision * recall) / (precision + recall),
      count: sum(confusion[k]!),
    };
  });
  return {
    labels,
    confusion,
    perLabel,
    accuracy: accuracy ?? 0,
    macroF1: 0.965,
    escapes: { rate: 1 / 32, low: 0.0008, high: 0.0779, wrong: 1, of: 32 },
    falseRejects: { rate: 0, low: 0, high: 0.098, wrong: 0, of: 29 },
    uncertain: { rate: 4 / 61, low: 0.018, high: 0.16, wrong: 4, of: 61 },
    mostProbable: { escapes: 1, falseRejects: 1 },
    revision: idOf(version),
    frames: 61,
    counts: { good: 29, scratch: 13, dent: 10, stain: 9 },
    folds: 5,
    seed: 1,
    views: 'flips',
    augment: [],
    hidden: 0,
    penalty: 0.1,
    temperature: 1.2,
    doubt: 0.008,
    backend: 'ridge',
    thresholds: { pass: 0.8, fail: 0.7 },
    promised: false,
    promise: [
      {
        kept: false,
        text: '32 labelled bad parts are not enough to show that at most 5 % pass: at least 13 more are needed',
      },
      {
        kept: false,
        text: '29 labelled good parts are not enough to show that at most 5 % fail: at least 16 more are needed',
      },
    ],
    checks: [
      {
        name: 'negative-transfer',
        ok: true,
        sentence: 'the base model helps: 96.7 % correct, 71.0 % from brightness, colour and edges alone',
      },
      {
        name: 'over-fitting',
        ok: true,
        sentence: 'it works on new parts: 96.7 % correct, 100.0 % on the parts it was trained on',
      },
      {
        name: 'forgetting',
        ok: false,
        sentence:
          'it has forgotten parts: 85.0 % correct on the 40 parts labelled before the active version, which has 93.0 %',
      },
    ],
    active: { version: '2026-11-23.1', accuracy: 0.93 },
    errorReduction: { active: 0.53, commonest: 0.93 },
    gate,
    worst: frames.slice(0, 2).map(({ id, label }) => ({
      id,
      label,
      said: label === 'good' ? 'dent' : 'good',
      probability: 0.97,
    })),
    learning: learningCurve,
    seconds: { features: 11, training: 3 },
  };
}

/** As reported by `qc-agent train` for parts of four labels. */
const learningCurve: NonNullable<Report['learning']> = {
  state: 'gains',
  sentence:
    '20 more labels per class would improve the accuracy by about 2 points (0.9 to 4); most for stain, whose share of recognised parts would rise by about 5 points',
  now: 12.8,
  points: [
    { labels: 2.6, accuracy: 0.79, deviation: 0.04, balancedError: 0.23, escapeRate: 0.07 },
    { labels: 4.1, accuracy: 0.87, deviation: 0.03, balancedError: 0.15, escapeRate: 0.05 },
    { labels: 6.5, accuracy: 0.91, deviation: 0.03, balancedError: 0.1, escapeRate: 0.04 },
    { labels: 10.2, accuracy: 0.945, deviation: 0.025, balancedError: 0.06, escapeRate: 0.031 },
  ],
  curve: [2.6, 4, 6, 9, 13, 20, 33].map((labels) => ({
    labels,
    accuracy: 1 - 0.21 * (labels / 2.6) ** -0.95,
    low: 1 - 0.21 * (labels / 2.6) ** -0.95 - 0.02,
    high: Math.min(1, 1 - 0.21 * (labels / 2.6) ** -0.95 + 0.02),
  })),
  expected: [
    {
      more: 10,
      accuracy: { value: 0.017, low: 0.006, high: 0.029 },
      balancedError: { value: 0.018, low: 0.006, high: 0.03 },
      escapes: { value: 0.01, low: 0, high: 0.02 },
    },
    {
      more: 20,
      accuracy: { value: 0.024, low: 0.009, high: 0.041 },
      balancedError: { value: 0.025, low: 0.009, high: 0.042 },
      escapes: { value: 0.014, low: 0, high: 0.028 },
    },
  ],
  byLabel: [
    { label: 'stain', more: 20, recall: { value: 0.05, low: 0.02, high: 0.08 } },
    { label: 'dent', more: 20, recall: { value: 0.02, low: 0, high: 0.04 } },
    { label: 'scratch', more: 20, recall: { value: 0.012, low: 0, high: 0.03 } },
    { label: 'good', more: 20, recall: { value: 0.004, low: 0, high: 0.01 } },
  ],
};
