import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Result } from '../../agent/publish/messages.ts';
import { openPlant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

const continuous = { kind: 'continuous', everyMs: 200 };

it('without a head every part is uncertain, and the status has the reason', async () => {
  await using plant = await openPlant({ head: false, trigger: continuous, vote: 2 });
  await plant.ready();
  for (const result of await plant.nextResults(5)) {
    expect(result).toMatchObject({ verdict: 'uncertain', evaluation: 0, label: null, probability: null });
    expect(result.model.version).toBe('none');
  }
  expect(plant.status).toMatchObject({
    online: true,
    state: 'degraded',
    reasons: [expect.stringContaining('no model has been trained')],
  });
  for (const verdict of plant.verdicts)
    expect(verdict).toMatchObject({ verdict: 'uncertain', evaluation: 0 });
  const metrics = await plant.metrics();
  expect(metrics.value('qc_parts_inspected_total', { verdict: 'pass' }) ?? 0).toBe(0);
});

it('a part that ends the inference thread fails; the thread restarts, and stays stopped after repeated failures', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qc-dying-'));
  try {
    const dies = join(folder, 'dies');
    const preload = new URL('../rigs/dying-judge.js', import.meta.url);
    await using plant = await openPlant({
      trigger: continuous,
      env: { NODE_OPTIONS: `--import=${preload}`, JUDGE_DIES_WHILE: dies },
    });
    await plant.ready();
    expect((await plant.nextResults(2)).map(({ state }) => state)).toEqual(['completed', 'completed']);

    await writeFile(dies, '');
    await plant.agent.logs('the inference thread failed: shot by a test; restarting it');
    await rm(dies);
    await until(async () => (await fetch(`${plant.url}/readyz`)).ok, { everyMs: 50, what: 'a new thread' });
    const revived = Date.now();
    const judged = (results: readonly Result[]) =>
      results.filter(({ state, capturedAt }) => state === 'completed' && Date.parse(capturedAt) > revived);
    await until(() => judged(plant.results).length >= 2, { what: 'parts to be judged again' });

    await writeFile(dies, '');
    const status = await plant.says(
      (now) => now.online && now.reasons.some((reason) => /^model: .* times in a row/.test(reason)),
      'the model to stay stopped',
    );
    expect(status).toMatchObject({ state: 'degraded' });
    expect((await fetch(`${plant.url}/readyz`)).status).toBe(503);
    const dead = plant.results.length;
    await plant.nextResults(5);
    for (const result of plant.results.slice(dead + 1))
      expect(result).toMatchObject({ state: 'failed', verdict: 'uncertain', evaluation: 0, label: null });
    const { results } = plant;
    expect(results.filter(({ state, evaluation }) => state !== 'completed' && evaluation !== 0)).toEqual([]);
    expect(results.map(({ sequence }) => sequence)).toEqual(results.map((_, index) => index + 1));
    expect(await plant.stop()).toBe(0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
