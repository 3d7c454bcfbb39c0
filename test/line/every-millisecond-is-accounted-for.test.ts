import { describe, expect, it } from 'vitest';
import { type Result, stageNames, type Timings } from '../../agent/publish/messages.ts';
import { openPlant } from '../rigs/plant.ts';

/** Difference between wall clock and monotonic clock, and rounding to whole ms. */
const clocksMs = 5;

/** All stages exist, and their sum is the time from capture to verdict, which is before publication. */
function expectAccountedFor(result: Result): void {
  const { inference, total, ...stages } = result.timingsMs as Timings;
  expect(Object.keys(stages).sort()).toEqual([...stageNames].sort());
  for (const ms of Object.values(stages)) expect(ms).toBeGreaterThanOrEqual(0);
  const sum = Object.values(stages).reduce((all, one) => all + one, 0);
  expect(sum).toBeCloseTo(total, 6);
  expect(stages.prepare + stages.base + stages.head).toBeCloseTo(inference, 6);
  const { publishedAt, capturedAt } = result;
  expect(total).toBeLessThanOrEqual(Date.parse(publishedAt) - Date.parse(capturedAt) + clocksMs);
}

function expectJudged(result: Result): void {
  expectAccountedFor(result);
  const { decode, handover, prepare, base, head } = result.timingsMs;
  expect(result.state).toBe('completed');
  for (const ms of [decode, handover, prepare, base, head]) expect(ms).toBeGreaterThan(0);
}

describe('every millisecond of a part is accounted for', () => {
  it('with a continuous trigger', async () => {
    await using plant = await openPlant({ trigger: { kind: 'continuous', everyMs: 200 } });
    for (const result of await plant.nextResults(10)) {
      expectJudged(result);
      // One frame is immediately a part.
      expect(result.timingsMs.collect).toBeLessThan(result.timingsMs.total);
    }
  }, 60_000);

  it('with a presence trigger and three images per part', async () => {
    await using plant = await openPlant({ vote: 3, line: { partsPerMinute: 60 } });
    await plant.ready();
    const results = await plant.nextResults(4, 30_000);
    for (const result of results) expectJudged(result);
    // The first image waits for the others.
    const voted = results.filter(({ votes }) => votes.frames === 3);
    expect(voted.length).toBeGreaterThan(0);
    for (const { timingsMs } of voted) expect(timingsMs.collect).toBeGreaterThan(0);
  }, 60_000);

  it('with a trigger by a PLC, judged or failed', async () => {
    await using plant = await openPlant({ trigger: { kind: 'command' }, vote: 12 });
    await plant.ready();
    const judged = plant.nextResults(1);
    expect(await plant.command('trigger', { camera: 'top' })).toMatchObject({ ok: true });
    for (const result of await judged) expectJudged(result);

    const failing = plant.nextResults(1);
    // Accepted with its first image: eleven are missing, and the camera fails.
    expect(await plant.command('trigger', { camera: 'top' })).toMatchObject({ ok: true });
    await plant.line.stop();
    for (const result of await failing) {
      expectAccountedFor(result);
      expect(result).toMatchObject({ state: 'failed', timingsMs: { inference: 0 } });
      expect(result.timingsMs.total).toBeGreaterThan(0);
    }
  }, 60_000);
});
