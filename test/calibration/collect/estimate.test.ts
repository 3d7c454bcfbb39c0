import { expect, it } from 'vitest';
import { estimateOf } from '../../../calibration/collect/estimate.ts';
import type { LabelledFrame } from '../../../calibration/dataset/frame.ts';

let made = 0;
const frame = (label: string, judged?: LabelledFrame['judged']): LabelledFrame => ({
  id: String(++made),
  label,
  file: '',
  labelledAt: '2026-11-23T00:00:00.000Z',
  labelledBy: 'anna',
  judged,
});
const said = (verdict: 'pass' | 'fail', drawn: boolean, version = 'v2') => ({
  verdict,
  label: verdict === 'pass' ? 'good' : 'dent',
  version,
  drawn,
});

it('counts escapes and false rejects among randomly drawn parts only', () => {
  const frames = [
    frame('dent', said('pass', true)),
    ...Array.from({ length: 9 }, () => frame('dent', said('fail', true))),
    ...Array.from({ length: 19 }, () => frame('good', said('pass', true))),
    frame('good', said('fail', true)),
    // Offered because they were doubtful: they would increase the rates.
    ...Array.from({ length: 30 }, () => frame('dent', said('pass', false))),
    // Parts judged by another head or by none.
    frame('dent', said('pass', true, 'v1')),
    frame('dent'),
  ];
  const { escapes, falseRejects, corrections } = estimateOf(frames, ['good'], 'v2');
  expect(escapes).toMatchObject({ wrong: 1, of: 10, rate: 0.1 });
  expect(escapes.high).toBeGreaterThan(0.3);
  expect(falseRejects).toMatchObject({ wrong: 1, of: 20 });
  expect(corrections).toBe(32);
});

it('has no estimate before a part was drawn', () => {
  expect(estimateOf([], ['good'], undefined)).toMatchObject({
    escapes: { of: 0, low: 0, high: 1 },
    corrections: 0,
  });
});
