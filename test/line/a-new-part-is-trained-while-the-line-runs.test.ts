import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { matchTruth } from '../../agent/demo/truth.ts';
import type { CandidateView, Overview, TrainingView } from '../../calibration/views.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

/** Parts that are labelled before the first head is trained. */
const taught = 44;

describe('a new part is trained while the line runs', () => {
  let plant: Plant;
  beforeAll(async () => {
    plant = await openPlant({ head: false, line: { partsPerMinute: 140, seed: 3 } });
    await plant.ready();
  }, 60_000);
  afterAll(() => plant?.[Symbol.asyncDispose]());

  const get = async <T>(path: string): Promise<T> => (await fetch(`${plant.url}/api/v1/${path}`)).json() as T;
  async function post(path: string, body: object = {}) {
    const response = await fetch(`${plant.url}/api/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  }
  /** The label that an operator would give; undefined if the line does not know it. */
  function truthOf(part: { readonly capturedAt: string }): string | undefined {
    const truth = matchTruth([part], plant.line.truths).matches[0]?.truth;
    return truth && (truth.label === 'good' ? 'good' : 'defect');
  }

  it('collects in calibration mode: results continue, marked, and every part is uncertain without a head', async () => {
    expect((await get<Overview>('calibration')).calibrating).toBe(false);
    await plant.nextResults(2);
    expect(await get<CandidateView[]>('candidates')).toEqual([]);
    expect((await post('mode', { mode: 'calibration' })).status).toBe(200);
    await plant.nextResults(1);
    const [result] = await plant.nextResults(1);
    expect(result).toMatchObject({ calibration: true, verdict: 'uncertain', evaluation: 0 });
    const [candidate] = await until(
      async () => {
        const found = await get<CandidateView[]>('candidates');
        return found.length > 0 ? found : undefined;
      },
      { what: 'a candidate' },
    );
    expect(candidate).toMatchObject({ camera: 'top', label: null });
    const picture = await fetch(`${plant.url}/api/v1/candidates/${candidate!.resultId}.png`);
    expect(picture.headers.get('content-type')).toBe('image/png');
    expect((await picture.arrayBuffer()).byteLength).toBeGreaterThan(1_000);
  });

  it('continues to collect after a restart of the agent, and still offers the waiting parts', async () => {
    const before = await get<CandidateView[]>('candidates?limit=100');
    await plant.restart();
    await plant.ready();
    const offered = await until(
      async () => {
        const found = await get<CandidateView[]>('candidates?limit=100');
        return found.some(({ resultId }) => resultId === before[0]!.resultId) ? found : undefined;
      },
      { what: 'the parts from before the restart' },
    );
    expect(offered.length).toBeGreaterThanOrEqual(Math.min(before.length, 40));
    expect(await get<Overview>('calibration')).toMatchObject({ calibrating: true });
    const [result] = await plant.nextResults(1);
    expect(result!.calibration).toBe(true);
  }, 60_000);

  it('labels each part once, with undo, as an operator does', async () => {
    const counted = new Map<string, number>();
    let done = 0;
    await until(
      async () => {
        for (const candidate of await get<CandidateView[]>('candidates?limit=50')) {
          const label = truthOf(candidate);
          const { resultId } = candidate;
          if (label === undefined) {
            await post(`candidates/${resultId}/skip`);
            continue;
          }
          const { status } = await post('labels', { resultId, label, ifUnlabelled: true });
          expect(status).toBe(200);
          if (++done === 1) {
            const quicker = await post('labels', { resultId, label: 'other', ifUnlabelled: true });
            expect(quicker).toMatchObject({ status: 409, body: { error: { code: 'candidate-gone' } } });
            expect((await post('dataset/undo')).body).toEqual({
              undone: `label ${label} on part ${candidate.partId}`,
            });
            expect((await get<CandidateView[]>('candidates'))[0]).toMatchObject({ resultId });
            expect((await post('labels', { resultId, label, ifUnlabelled: true })).status).toBe(200);
          }
          counted.set(label, (counted.get(label) ?? 0) + 1);
        }
        return done >= taught;
      },
      { timeoutMs: 60_000, everyMs: 500, what: `${taught} labels` },
    );
    const overview = await get<Overview>('calibration');
    expect(overview.frames).toBe(done);
    expect(overview.labels).toEqual([
      { name: 'good', count: counted.get('good'), good: true },
      { name: 'defect', count: counted.get('defect'), good: false },
    ]);
    expect((await plant.metrics()).value('qc_labelled_frames', { label: 'good' })).toBe(counted.get('good'));
    const bad = await post('labels', { resultId: '01JD0000000000000000000000', label: 'good' });
    expect(bad).toMatchObject({ status: 404, body: { error: { code: 'label-unavailable' } } });
  }, 90_000);

  it('trains in its own process while parts are judged, one training at a time', async () => {
    const before = plant.results.length;
    expect((await post('training/start', {})).status).toBe(200);
    expect(await post('training/start', {})).toMatchObject({
      status: 409,
      body: { error: { code: 'training-busy' } },
    });
    const training = await until(
      async () => {
        const now = await get<TrainingView>('training');
        return now.state === 'running' ? undefined : now;
      },
      { timeoutMs: 300_000, everyMs: 250, what: 'the training to end' },
    );
    expect(training).toMatchObject({ state: 'done', version: expect.any(String), error: null });
    expect(plant.results.length).toBeGreaterThan(before);
    const overview = await get<Overview>('calibration');
    expect(overview).toMatchObject({ active: null, candidate: training.version });
    const report = await get<Record<string, number>>(`models/${training.version}/report`);
    expect(report.accuracy).toBeGreaterThan(0.7);
    const metrics = await plant.metrics();
    expect(metrics.value('qc_training_runs_total', { outcome: 'done' })).toBe(1);
    expect(metrics.value('qc_model_score', { version: training.version!, metric: 'accuracy' })).toBeCloseTo(
      report.accuracy!,
      6,
    );
  }, 330_000);

  it('survives a training that fails or is cancelled: reports it, and line and heads do not change', async () => {
    const ended = () =>
      until(
        async () => {
          const now = await get<TrainingView>('training');
          return now.state === 'running' ? undefined : now;
        },
        { timeoutMs: 30_000, everyMs: 100, what: 'the training to end' },
      );
    const trains = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('jobs/child.js');
    const versions = await get<unknown[]>('models');

    await post('training/start', {});
    const pid = await until(() => plant.agent.processes().find(trains), { what: 'the process that trains' });
    process.kill(pid, 'SIGKILL');
    expect(await ended()).toMatchObject({
      state: 'failed',
      error: { message: 'the process for train ended (SIGKILL)' },
    });

    await post('training/start', {});
    await until(async () => (await get<TrainingView>('training')).total > 0, {
      what: 'the training to be at work',
    });
    expect((await post('training/cancel')).status).toBe(200);
    expect(await ended()).toMatchObject({ state: 'cancelled', error: null });
    expect(await get<unknown[]>('models')).toEqual(versions);
    expect((await plant.metrics()).value('qc_training_runs_total', { outcome: 'failed' })).toBe(1);
    await plant.nextResults(2);
  }, 60_000);

  it('tries the candidate on live parts, then activates it, without a part lost or judged twice', async () => {
    const { candidate } = await get<Overview>('calibration');
    expect((await post('models/shadow', { version: candidate })).status).toBe(200);
    await plant.nextResults(3);
    const { shadow } = await get<Overview>('calibration');
    expect(shadow).toMatchObject({ version: candidate });
    expect(shadow!.judged).toBeGreaterThan(0);
    expect(plant.results.at(-1)!.model.version).toBe('none');

    expect((await post(`models/${candidate}/promote`)).status).toBe(200);
    await plant.nextResults(1);
    const judged = await plant.nextResults(12, 30_000);
    expect(judged.map(({ model }) => model.version)).toEqual(judged.map(() => candidate));
    const right = judged.filter((result) => {
      const truth = truthOf(result);
      return truth === undefined || result.label === truth;
    });
    expect(right.length).toBeGreaterThanOrEqual(9);
    expect(await get<Overview>('calibration')).toMatchObject({
      active: candidate,
      candidate: null,
      shadow: null,
    });
    const sequences = plant.results.map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, i) => i + 1));
  }, 60_000);

  it('shows the reason as an image', async () => {
    const [newest] = plant.results.slice(-1);
    const response = await fetch(`${plant.url}/api/v1/results/${newest!.resultId}/why.png`);
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(1_000);
    const unknown = await fetch(`${plant.url}/api/v1/results/${newest!.resultId}/why.png?label=nothing`);
    expect(unknown.status).toBe(409);
  }, 30_000);

  it('accepts corrections from the end of the line by MQTT, counts them, and rolls back on request', async () => {
    const [result] = await plant.nextResults(1);
    const wrong = result!.label === 'good' ? 'defect' : 'good';
    expect(await plant.command('label', { resultId: result!.resultId, label: wrong })).toMatchObject({
      ok: true,
    });
    expect((await plant.metrics()).value('qc_corrections_total', { from: result!.label!, to: wrong })).toBe(
      1,
    );
    expect((await get<Overview>('calibration')).estimate.corrections).toBe(1);
    expect(
      await plant.command('label', { resultId: result!.resultId, label: 'x'.repeat(300) }),
    ).toMatchObject({ ok: false, error: { code: 'command-invalid' } });

    // The first head has no previous one.
    expect(await post('models/rollback')).toMatchObject({
      status: 404,
      body: { error: { code: 'version-unknown' } },
    });
    expect((await post('mode', { mode: 'inspection' })).status).toBe(200);
    await plant.nextResults(1);
    expect((await plant.nextResults(1))[0]!.calibration).toBe(false);
  }, 30_000);
});
