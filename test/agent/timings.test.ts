import { describe, expect, it } from 'vitest';
import { type PartTimes, timingsOf } from '../../agent/timings.ts';
import { frameTimes } from '../rigs/frame-times.ts';

/**
 * Captured at 1,000 and found immediately; judged from 1,002 to 1,025, answered at 1,026, decided and delivered
 * immediately.
 */
const part: PartTimes = {
  first: frameTimes(1_000),
  foundAt: 1_000,
  runs: [{ startedAt: 1_002, inferenceMs: 23, prepareMs: 2, headMs: 1 }],
  answeredAt: 1_026,
  decidedAt: 1_026,
  turnAt: 1_026,
};

const run = (startedAt: number) => ({ ...part.runs[0]!, startedAt });

describe('the timings of a part', () => {
  it('consist of consecutive stages', () => {
    const times = { ...part, foundAt: 1_001, decidedAt: 1_026.5, turnAt: 1_030 };
    expect(timingsOf(times)).toEqual({
      capture: 5,
      decode: 2,
      handover: 1,
      collect: 1,
      queue: 1,
      prepare: 2,
      base: 20,
      head: 1,
      answer: 1,
      decide: 0.5,
      order: 3.5,
      inference: 23,
      total: 38,
    });
  });

  it('count a run of the model for several images once', () => {
    const together = timingsOf({ ...part, runs: [run(1_002), run(1_002), run(1_002)] });
    expect(together).toEqual(timingsOf(part));
  });

  it('count simultaneous work of two workers once', () => {
    // The second one begins 10 ms later and ends 10 ms later.
    const { queue, inference, answer, total } = timingsOf({
      ...part,
      runs: [run(1_012), run(1_002)],
      answeredAt: 1_036,
      decidedAt: 1_036,
      turnAt: 1_036,
    });
    expect({ queue, inference, answer, total }).toEqual({ queue: 2, inference: 33, answer: 1, total: 44 });
  });

  it('count the time of other work between two of its images as waiting', () => {
    const { queue, inference, answer } = timingsOf({
      ...part,
      runs: [run(1_002), run(1_035)],
      answeredAt: 1_058,
      decidedAt: 1_058,
      turnAt: 1_058,
    });
    expect({ queue, inference, answer }).toEqual({ queue: 12, inference: 46, answer: 0 });
  });

  it('end when the part no longer waits for the run', () => {
    const aborted = timingsOf({ ...part, answeredAt: 1_010, decidedAt: 1_010, turnAt: 1_010 });
    expect(aborted).toMatchObject({ queue: 2, inference: 8, answer: 0, total: 18 });
  });

  it('count the time as waiting if the model never answered', () => {
    expect(timingsOf({ ...part, runs: [] })).toMatchObject({ queue: 26, inference: 0, answer: 0, total: 34 });
  });

  it('begin at the arrival if the clock of the camera is ahead', () => {
    const first = { ...frameTimes(1_000), capturedAt: 1_500 };
    expect(timingsOf({ ...part, first })).toMatchObject({ capture: 0, decode: 2, total: 29 });
  });

  it('are empty for a part without an image', () => {
    const told = timingsOf({ ...part, first: undefined, runs: [] });
    expect(new Set(Object.values(told))).toEqual(new Set([0]));
  });

  it('add up after rounding, too', () => {
    const third = 1 / 3;
    const { inference, total, ...stages } = timingsOf({
      first: { capturedAt: 0, arrivedAt: third, decodedAt: 2 * third, takenAt: 3 * third },
      foundAt: 4 * third,
      runs: [{ startedAt: 5 * third, inferenceMs: third, prepareMs: third / 3, headMs: third / 3 }],
      answeredAt: 7 * third,
      decidedAt: 8 * third,
      turnAt: 9 * third,
    });
    const sum = Object.values(stages).reduce((all, one) => all + one, 0);
    expect(total).toBe(3);
    expect(sum).toBeCloseTo(3, 9);
    expect(stages.prepare + stages.base + stages.head).toBeCloseTo(inference, 9);
  });
});
