import { expect, test } from 'vitest';
import { openScore } from '../../../agent/demo/score.ts';
import type { Truth } from '../../../agent/demo/truth.ts';
import { result } from '../../rigs/publisher.ts';

const part = (serial: number, centredAt: number): Truth => ({
  serial,
  label: 'good',
  enteredAt: centredAt - 300,
  centredAt,
  leftAt: centredAt + 300,
});

const judgedAt = (sequence: number, at: number) =>
  result(sequence, { capturedAt: new Date(at).toISOString(), verdict: 'pass', label: 'good' });

test('the summary counts one part per printed line, also parts in view at the start and at the end', () => {
  const now = Date.now();
  const truths = [part(1, now + 100), part(2, now + 1_100), part(3, now + 2_100)];
  const score = openScore({ truths });
  score.begin();
  const printed = truths.map(({ serial, centredAt }) => score.add(judgedAt(serial, centredAt)));
  expect(score.end()).toMatchObject({ parts: 3, judged: 3, correct: 3, accuracy: 1, missed: 0, doubled: 0 });
  expect(printed.map(({ truth }) => truth?.serial)).toEqual([1, 2, 3]);
});

test('a part that entered after the start and has no result within its time is missed', async () => {
  const now = Date.now();
  // Entered before the start; left without a result; still in view.
  const truths = [part(1, now - 20_000), part(2, now - 5_000), part(3, now)];
  const score = openScore({ truths });
  score.begin(now - 10_000);
  score.add(judgedAt(1, now - 20_000));
  expect(score.end()).toMatchObject({ parts: 2, judged: 1, correct: 1, accuracy: 0.5, missed: 1 });
});
