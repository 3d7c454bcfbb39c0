import sharp from 'sharp';
import { expect, it } from 'vitest';
import type { Result } from '../../agent/publish/messages.ts';
import { openPlant } from '../rigs/plant.ts';
import { openSmallDisk, smallDiskMissing } from '../rigs/small-disk.ts';
import { until } from '../rigs/until.ts';

const continuous = { kind: 'continuous', everyMs: 250 };

it('finds a bad part and its image after a crash, and accepts a label for it', async () => {
  // Half of the parts are bad.
  await using plant = await openPlant({ line: { partsPerMinute: 50 }, storage: { evidencePassShare: 0 } });
  await plant.ready();
  const bad = await until(() => plant.results.find(({ verdict }) => verdict !== 'pass'), {
    timeoutMs: 40_000,
    what: 'a part that does not pass',
  });
  const passed = await until(() => plant.results.find(({ verdict }) => verdict === 'pass'), {
    timeoutMs: 40_000,
    what: 'a part that passes',
  });
  expect(bad.evidence).toBe(`/api/v1/evidence/${bad.resultId}.jpg`);
  expect(passed.evidence).toBeNull();
  const listed = async (query: string): Promise<Result[]> => {
    const answer = await fetch(`${plant.url}/api/v1/evidence${query}`);
    return ((await answer.json()) as { items: Result[] }).items;
  };
  const isKept = async () => (await listed('')).some(({ resultId }) => resultId === bad.resultId);
  await until(isKept, { everyMs: 50, what: 'the picture to be kept' });

  await plant.restart('SIGKILL');
  const again = (await listed(`?verdict=${bad.verdict}&camera=top`)).find(
    ({ resultId }) => resultId === bad.resultId,
  );
  expect(again).toMatchObject({ partId: bad.partId, label: bad.label, evidence: bad.evidence });
  expect((await listed('?verdict=pass')).length).toBe(0);
  const picture = await fetch(`${plant.url}${bad.evidence}`);
  expect(picture.headers.get('content-type')).toBe('image/jpeg');
  expect((await sharp(await picture.arrayBuffer()).metadata()).height).toBeGreaterThan(100);
  const sidecar = await (await fetch(`${plant.url}/api/v1/evidence/${bad.resultId}.json`)).json();
  expect(sidecar).toEqual(again);
  expect((await plant.metrics()).value('qc_evidence_files')).toBeGreaterThanOrEqual(1);

  await until(async () => (await fetch(`${plant.url}/readyz`)).ok, { timeoutMs: 30_000 });
  const reply = await plant.command('label', { resultId: bad.resultId, label: 'burr' });
  expect(reply).toMatchObject({ ok: true });
  const { items } = (await (await fetch(`${plant.url}/api/v1/dataset/frames?label=burr`)).json()) as {
    items: { partId: string }[];
  };
  expect(items.map(({ partId }) => partId)).toEqual([`top ${bad.partId} ${bad.capturedAt}`]);
  expect(await plant.stop()).toBe(0);
});

it('continues to judge on a full disk, reports that no images are stored, and stores them again when there is space', async (context) => {
  if (smallDiskMissing) return context.skip(smallDiskMissing);
  await using disk = await openSmallDisk(120);
  await using plant = await openPlant({
    trigger: continuous,
    storage: { directory: disk.directory, minFreeMb: 10, evidencePassShare: 1 },
  });
  await plant.ready();
  await until(() => plant.results.some(({ evidence }) => evidence !== null), { what: 'evidence' });
  await disk.fill(5_000_000);
  const status = await plant.says((now) => now.online && now.state === 'degraded', 'no room');
  expect(status).toMatchObject({ reasons: [expect.stringContaining('10 must stay free')] });
  expect((await fetch(`${plant.url}/readyz`)).status).toBe(200);
  const judged = await plant.nextResults(5);
  for (const result of judged.slice(1)) expect(result).toMatchObject({ state: 'completed', evidence: null });
  const metrics = await plant.metrics();
  expect(metrics.value('qc_evidence_dropped_total', { reason: 'low-disk' })).toBeGreaterThan(0);

  await disk.clear();
  await plant.says((now) => now.online && now.state === 'inspecting', 'room again');
  await until(() => plant.results.at(-1)!.evidence !== null, { what: 'evidence again' });
  const sequences = plant.results.map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  expect(await plant.stop()).toBe(0);
});
