import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tempFolder } from '../../models/temp-folder.ts';
import { openRealCalibration } from '../../rigs/real-calibration.ts';
import { until } from '../../rigs/until.ts';

const anna = { by: 'anna' };

it('a renamed label keeps its number key, and an unused label is not offered', async () => {
  await using folder = await tempFolder();
  await using rig = await openRealCalibration(folder.path);
  const { calibration } = rig;
  for (const [n, label] of ['scrach', 'dent', 'good', 'dent'].entries()) {
    await calibration.label({ resultId: rig.judge(n), label }, anna);
  }
  const names = async () => (await calibration.overview(anna)).labels.map(({ name }) => name);
  expect(await names()).toEqual(['good', 'scrach', 'dent']);
  const rename = { kind: 'rename', label: 'scrach', to: 'scratch' } as const;
  expect(await calibration.changeLabel(rename, anna, true)).toEqual({
    done: false,
    frames: 1,
    others: 0,
    effects: [],
  });
  expect(await calibration.changeLabel(rename, anna, false)).toMatchObject({ done: true, frames: 1 });
  expect(await names()).toEqual(['good', 'scratch', 'dent']);
  await calibration.changeLabel({ kind: 'merge', label: 'dent', to: 'scratch' }, anna, false);
  expect(await names()).toEqual(['good', 'scratch']);
  expect(await calibration.undo(anna)).toEqual({ undone: 'dent renamed to scratch (2 frames)' });
  expect(await names()).toEqual(['good', 'scratch', 'dent']);
});

it('refuses a label that cannot be stored from any source, and accepts the next one', async () => {
  await using folder = await tempFolder();
  await using rig = await openRealCalibration(folder.path);
  const resultId = rig.judge(1);
  for (const label of ['labels.jsonl', '🙂'.repeat(64), 'Good', 'go\u200bod']) {
    for (const author of [anna, { by: 'mqtt' }]) {
      await expect(rig.calibration.label({ resultId, label }, author)).rejects.toMatchObject({
        code: 'label-invalid',
      });
    }
  }
  expect(await rig.calibration.label({ resultId, label: 'good' }, anna)).toMatchObject({ outcome: 'added' });
});

it('repairs a dataset at the start of the agent, and names lines without effect', async () => {
  await using folder = await tempFolder();
  {
    await using rig = await openRealCalibration(folder.path);
    await rig.calibration.label({ resultId: rig.judge(1), label: 'good' }, anna);
  }
  const [frame] = await (async () => {
    await using rig = await openRealCalibration(folder.path);
    return (await rig.calibration.frames({ limit: 9 })).items;
  })();
  const line = { schema: 1, at: '2026-11-24T07:00:00.000Z', by: 'anna', kind: 'relabel', ids: [frame!.id] };
  await appendFile(
    join(folder.path, 'dataset/labels.jsonl'),
    `${JSON.stringify({ ...line, label: 'labels.jsonl' })}\n`,
  );
  await mkdir(join(folder.path, 'dataset/left over'));
  await using rig = await openRealCalibration(folder.path);
  await until(() => rig.log.some((text) => text.includes('line 2 has a label that cannot be stored')), {
    what: 'the warning',
  });
  await rig.calibration.relabel([frame!.id], 'dent', anna);
  expect((await rig.calibration.frames({ limit: 9 })).items).toMatchObject([{ label: 'dent' }]);
});
