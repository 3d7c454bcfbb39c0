import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { matchTruth, type Truth } from '../../agent/demo/truth.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

it('the part in view fails, the outage is reported, and parts are judged again when the camera is back', async () => {
  await using plant = await openPlant({ vote: 2, line: { partsPerMinute: 50 } });
  await plant.ready();
  await plant.nextResults(1);

  const lost = await partInView(plant);
  const before = plant.results.length;
  await plant.line.stop();

  const degraded = await plant.says((status) => status.online && status.state === 'degraded', 'degraded');
  expect(degraded).toMatchObject({
    cameras: { top: 'down' },
    reasons: [expect.stringMatching(/^camera top: /)],
  });
  const down = await plant.metrics();
  expect(down.value('qc_camera_up', { camera: 'top' })).toBe(0);
  expect(down.value('qc_station_state', { state: 'degraded' })).toBe(1);
  expect((await fetch(`${plant.url}/readyz`)).status).toBe(503);

  await until(() => plant.results.length > before, { what: 'the result of the part that was in view' });
  const failed = plant.results.at(-1)!;
  expect(failed).toMatchObject({ state: 'failed', verdict: 'uncertain', evaluation: 0, label: null });
  expect(failed.reasons.join()).toContain('camera lost');
  expect(matchTruth([failed], [lost]).matches[0]?.truth).toBe(lost);
  expect(plant.verdicts.at(-1)).toMatchObject({
    sequence: failed.sequence,
    verdict: 'uncertain',
    evaluation: 0,
  });

  await plant.line.start();
  await plant.says((status) => status.online && status.state === 'inspecting', 'inspecting again');
  const up = await plant.metrics();
  expect(up.value('qc_camera_up', { camera: 'top' })).toBe(1);
  expect(up.value('qc_camera_reconnects_total', { camera: 'top' })).toBe(1);

  await until(() => plant.results.slice(before + 1).some(({ state }) => state === 'completed'), {
    timeoutMs: 20_000,
    what: 'new parts to be judged',
  });
  const { results } = plant;
  expect(results.filter(({ state }) => state === 'failed')).toEqual([failed]);
  expect(matchTruth(results, plant.line.truths).doubled).toEqual([]);
  expect(results.map(({ sequence }) => sequence)).toEqual(results.map((_, index) => index + 1));
});

/** Waits until the next part is in the middle of the region, before its best frame. */
async function partInView({ line }: Plant): Promise<Truth> {
  const truth = await new Promise<Truth>((resolve) => {
    const end = line.onTruth((entered) => {
      end();
      resolve(entered);
    });
  });
  await sleep(truth.centredAt - Date.now());
  return truth;
}
