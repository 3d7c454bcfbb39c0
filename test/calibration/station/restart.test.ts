import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createQueue } from '../../../calibration/collect/queue.ts';
import { createSavedQueue } from '../../../calibration/collect/saved-queue.ts';
import { readCalibrating, saveCalibrating } from '../../../calibration/station/mode.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { openRealCalibration } from '../../rigs/real-calibration.ts';
import { until } from '../../rigs/until.ts';

const anna = { by: 'anna' };
const candidatesIn = (folder: string) => join(folder, 'calibration', 'candidates');

/** Opens it and waits until the saved parts of an earlier run are loaded. */
async function open(folder: string, waiting: number) {
  const rig = await openRealCalibration(folder);
  const parts = await until(
    async () => {
      const all = await rig.calibration.candidates(100, undefined);
      return all.length === waiting ? all : undefined;
    },
    { what: `${waiting} parts to wait`, timeoutMs: 10_000 },
  );
  return Object.assign(rig, { parts });
}

it('parts that wait for a label exist after a restart, answered ones do not', async () => {
  await using folder = await tempFolder();
  let ids: string[] = [];
  let pictures: Buffer[] = [];
  {
    await using rig = await openRealCalibration(folder.path);
    ids = Array.from({ length: 6 }, (_, n) => rig.judge(n));
    pictures = await Promise.all(ids.map((id) => rig.calibration.resultImage(id)));
  }
  {
    await using rig = await open(folder.path, 6);
    expect(rig.parts.map(({ resultId }) => resultId).sort()).toEqual(ids);
    expect(await Promise.all(ids.map((id) => rig.calibration.resultImage(id)))).toEqual(pictures);
    expect(rig.parts[0]).toMatchObject({ camera: 'top', verdict: 'uncertain', label: null });
    await rig.calibration.label({ resultId: ids[0]!, label: 'good' }, anna);
    await rig.calibration.skip(ids[1]!, anna);
    // The files are updated automatically, not only when the agent ends.
    await until(async () => (await readdir(candidatesIn(folder.path))).length === 8, {
      what: 'two parts to go',
    });
  }
  const saved = candidatesIn(folder.path);
  await writeFile(join(saved, `${ids[2]}.json`), '{"schema":1,"features":');
  await rm(join(saved, `${ids[3]}.png`));
  await using rig = await open(folder.path, 2);
  expect(rig.parts.map(({ resultId }) => resultId).sort()).toEqual(ids.slice(4));
  const said = rig.log.filter((line) => line.includes('cannot be read and is skipped'));
  expect(said).toHaveLength(2);
  expect(await readdir(saved)).toHaveLength(4);
});

it('a part that was labelled just before the agent was killed is not offered again', async () => {
  await using folder = await tempFolder();
  {
    await using rig = await openRealCalibration(folder.path);
    rig.judge(1);
    rig.judge(2);
  }
  const saved = candidatesIn(folder.path);
  const files = await Promise.all(
    (await readdir(saved)).map(async (name) => [name, await readFile(join(saved, name))] as const),
  );
  {
    await using rig = await open(folder.path, 2);
    await rig.calibration.label({ resultId: rig.parts[0]!.resultId, label: 'good' }, anna);
  }
  // As after a kill between the label and the next save.
  for (const [name, content] of files) await writeFile(join(saved, name), content);
  await using rig = await open(folder.path, 1);
  expect(rig.log.filter((line) => line.includes('"level":40'))).toEqual([]);
});

it('no images are saved on a nearly full disk, which is reported once', async () => {
  await using folder = await tempFolder();
  const queue = createQueue({ random: () => 1, countOf: () => 0 });
  const offer = (resultId: string) =>
    queue.offer({
      resultId,
      camera: 'top',
      partId: 'A',
      capturedAt: '2026-11-24T06:00:00.000Z',
      verdict: 'uncertain',
      label: null,
      probability: null,
      version: 'none',
      votes: { frames: 1, agree: 1 },
      unfamiliar: false,
      disputed: false,
      features: Float32Array.of(1, 2, 3),
      image: { width: 4, height: 4, data: new Uint8Array(48) },
    });
  offer('01JD0000000000000000000000');
  const notices: string[] = [];
  const open = (directory: string, minFreeBytes: number) =>
    createSavedQueue(directory, {
      queue: () => queue.list(),
      minFreeBytes,
      everyMs: 1,
      onNotice: (text) => void notices.push(text),
    });
  const full = join(folder.path, 'full');
  {
    await using saved = open(full, Number.MAX_SAFE_INTEGER);
    expect(await saved.load()).toEqual([]);
    saved.changed();
  }
  expect([await readdir(full), notices]).toEqual([[], []]);
  const file = join(folder.path, 'file');
  {
    await using saved = open(join(file, 'below'), 0);
    await saved.load();
    await writeFile(file, '');
    saved.changed();
    await until(async () => notices.length > 0);
    saved.changed();
  }
  expect(notices).toEqual([expect.stringContaining('parts that wait for a label are not saved')]);
});

it('the mode persists after a restart; a damaged record means inspection', async () => {
  await using folder = await tempFolder();
  const log: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void log.push(line) });
  expect(await readCalibrating(folder.path, logger)).toBe(false);
  await saveCalibrating(folder.path, true);
  expect([await readCalibrating(folder.path, logger), log]).toEqual([true, []]);
  await writeFile(join(folder.path, 'calibration', 'mode.json'), '{"schema":1,"calibrating":{"length":{}}}');
  expect(await readCalibrating(folder.path, logger)).toBe(false);
  expect(log.join()).toContain('starts in inspection mode');
});
