import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { matchTruth, type Truth } from '../../agent/demo/truth.ts';
import { type Result, resultMessage, stageNames, verdictMessage } from '../../agent/publish/messages.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import type { Scrape } from '../rigs/plant-metrics.ts';
import { until } from '../rigs/until.ts';

const parts = 15;
/** Maximum time from the end of a part to its result, ms. */
const graceMs = 2_000;

describe('a part gets exactly one verdict', () => {
  let plant: Plant;
  let results: readonly Result[];
  let finished: readonly Truth[];
  let metrics: Scrape;

  beforeAll(async () => {
    plant = await openPlant({ vote: 3, line: { partsPerMinute: 40 } });
    await plant.ready();
    const readyAt = Date.now();
    const counted = () =>
      plant.line.truths.filter(
        ({ enteredAt, leftAt }) => enteredAt >= readyAt && leftAt < Date.now() - graceMs,
      );
    await until(() => counted().length >= parts, { timeoutMs: 60_000, everyMs: 100, what: `${parts} parts` });
    finished = counted();
    // Counted at rest: no more parts arrive.
    await plant.line.stop();
    await plant.says((status) => status.online && status.state === 'degraded', 'the camera is down');
    // A subscriber receives a result before the agent receives its acknowledgement.
    await until(
      async () => {
        metrics = await plant.metrics();
        return ['result', 'verdict'].every(
          (kind) => metrics.value('qc_mqtt_published_total', { kind }) === plant.results.length,
        );
      },
      { everyMs: 100, what: 'as many results acknowledged as arrived' },
    );
    results = [...plant.results];
  }, 120_000);
  afterAll(() => plant?.[Symbol.asyncDispose]());

  it('misses none and judges none twice', () => {
    const { missed, doubled } = matchTruth(results, finished);
    expect(missed).toEqual([]);
    expect(doubled).toEqual([]);
  });

  it('judges nothing without a part', () => {
    const last = finished.at(-1)!.leftAt;
    const judged = results.filter((result) => Date.parse(result.capturedAt) <= last);
    const { matches } = matchTruth(judged, plant.line.truths);
    expect(matches.filter(({ truth }) => !truth).map(({ result }) => result)).toEqual([]);
  });

  it('numbers them from 1 without a gap, in order of arrival', () => {
    expect(results.map(({ sequence }) => sequence)).toEqual(results.map((_, index) => index + 1));
    expect(new Set(results.map(({ partId }) => partId)).size).toBe(results.length);
    expect(new Set(results.map(({ resultId }) => resultId)).size).toBe(results.length);
  });

  it('agrees with the schemas of the messages', () => {
    for (const result of results) expect(resultMessage.parse(result)).toEqual(result);
    for (const verdict of plant.verdicts) expect(verdictMessage.parse(verdict)).toEqual(verdict);
    const completed = results.filter(({ state }) => state === 'completed');
    expect(completed.length).toBeGreaterThanOrEqual(parts);
    for (const result of completed) {
      expect(result).toMatchObject({ station: 'press-1', camera: 'top', simulated: true, historical: false });
      expect(result.votes.frames).toBeGreaterThanOrEqual(1);
      expect(result.votes.frames).toBeLessThanOrEqual(3);
    }
    // On a busy machine frames are dropped, the newest is used, and a part may have fewer good views.
    const full = completed.filter(({ votes }) => votes.frames === 3);
    expect(full.length).toBeGreaterThanOrEqual(0.8 * completed.length);
  });

  it('sends the same result to the PLC and to all others', () => {
    expect(plant.verdicts).toEqual(
      results.map(({ schema, sequence, partId, jobId, verdict, evaluation }) => ({
        schema,
        sequence,
        partId,
        jobId,
        verdict,
        evaluation,
      })),
    );
  });

  it('evaluates 1 for pass, 2 for fail and 0 for everything else', () => {
    for (const { state, verdict, evaluation } of results) {
      const wanted = state !== 'completed' || verdict === 'uncertain' ? 0 : verdict === 'pass' ? 1 : 2;
      expect(evaluation).toBe(wanted);
    }
    expect(new Set(results.map(({ evaluation }) => evaluation))).toContain(1);
    expect(new Set(results.map(({ evaluation }) => evaluation))).toContain(2);
  });

  it('counts the published results in the metrics', () => {
    for (const verdict of ['pass', 'fail', 'uncertain'] as const) {
      const published = results.filter((result) => result.verdict === verdict);
      expect(metrics.value('qc_parts_inspected_total', { camera: 'top', verdict }) ?? 0).toBe(
        published.length,
      );
    }
    expect(metrics.value('qc_defects_total') ?? 0).toBe(
      results.filter(({ verdict }) => verdict === 'fail').length,
    );
    expect(metrics.value('qc_mqtt_published_total', { kind: 'result' })).toBe(results.length);
    expect(metrics.value('qc_mqtt_published_total', { kind: 'verdict' })).toBe(results.length);
    expect(metrics.value('qc_capture_to_result_seconds_count', { camera: 'top' })).toBe(results.length);
    const completed = results.filter(({ state }) => state === 'completed').length;
    for (const stage of stageNames)
      expect(metrics.value('qc_stage_seconds_count', { stage }), stage).toBe(completed);
    for (const stage of ['evidence', 'store', 'publish'])
      expect(metrics.value('qc_stage_seconds_count', { stage }), stage).toBe(results.length);
    expect(metrics.value('qc_outbox_messages')).toBe(0);
  });
});
