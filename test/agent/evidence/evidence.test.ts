import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import sharp from 'sharp';
import { ulid } from 'ulid';
import { describe, expect, it } from 'vitest';
import { type Evidence, openEvidence } from '../../../agent/evidence/evidence.ts';
import { Closer } from '../../../agent/lifecycle/closer.ts';
import { createMetrics } from '../../../agent/metrics/metrics.ts';
import type { Result } from '../../../agent/publish/messages.ts';
import { storageSchema } from '../../../config/schema.ts';
import type { Image } from '../../../models/image.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { result } from '../../rigs/publisher.ts';
import { openSmallDisk, smallDiskMissing } from '../../rigs/small-disk.ts';
import { until } from '../../rigs/until.ts';

/** Noise does not compress: about 100 kB as JPEG. */
const noisy: Image = { width: 200, height: 200, data: noise(200 * 200 * 3) };
/** When the first part is judged. */
const at = Date.parse('2026-11-20T12:00:00Z');

it('keeps every part that did not pass, with its result, and the configured share of those that passed', async () => {
  const drawn = [0.1, 0.9, 0.24, 0.25];
  await using rig = await openRig({ evidencePassShare: 0.25 }, { random: () => drawn.shift()! });
  const failed = rig.judge(1, { verdict: 'fail' });
  const uncertain = rig.judge(2, { verdict: 'uncertain', state: 'failed' });
  const passed = [3, 4, 5, 6].map((sequence) => rig.judge(sequence, { verdict: 'pass' }));
  expect(failed.evidence).toBe(`/api/v1/evidence/${failed.resultId}.jpg`);
  expect(passed.map(({ evidence }) => evidence !== null)).toEqual([true, false, true, false]);
  expect(rig.evidence.keep(result(7, { verdict: 'fail' }), undefined)).toBeNull();
  await rig.written(passed[2]!);
  const picture = await sharp(await rig.evidence.picture(failed.resultId)).metadata();
  expect(picture).toMatchObject({ format: 'jpeg', width: 200, height: 200, chromaSubsampling: '4:4:4' });
  expect(await rig.evidence.result(uncertain.resultId)).toEqual(uncertain);
  expect(await rig.evidence.picture(passed[1]!.resultId)).toBeUndefined();
});

it('keeps the place of a defect with the result', async () => {
  await using rig = await openRig({});
  const map = { width: 2, height: 1, least: 3, most: 6, levels: 'AP8=' };
  const [told, without] = [result(1, { verdict: 'fail' }), result(2, { verdict: 'fail' })];
  rig.evidence.keep(told, noisy, map);
  rig.evidence.keep(without, noisy);
  await rig.written(without);
  expect(await rig.evidence.map(told.resultId)).toEqual(map);
  expect(await rig.evidence.map(without.resultId)).toBeUndefined();
  expect(await rig.evidence.result(told.resultId)).toEqual({
    ...told,
    evidence: `/api/v1/evidence/${told.resultId}.jpg`,
  });
});

it('keeps nothing with a quota of 0, and the result has no link', async () => {
  await using rig = await openRig({ evidenceQuotaMb: 0 });
  expect(rig.judge(1, { verdict: 'fail' }).evidence).toBeNull();
  expect(await rig.names()).toEqual([]);
});

it('stays within its quota: deletes the oldest image with its result and its empty day', async () => {
  await using rig = await openRig({ evidenceQuotaMb: 1 });
  const judged: Result[] = [];
  for (let day = 1; day <= 30; day++) {
    const one = rig.judge(day, {}, at + day * 86_400_000);
    judged.push(one);
    await rig.written(one);
  }
  const { items } = await rig.evidence.list({ limit: 200 });
  const kept = items.length;
  expect(kept).toBeGreaterThanOrEqual(3);
  expect(kept).toBeLessThan(30);
  const ids = judged.map(({ resultId }) => resultId);
  expect(items.map(({ resultId }) => resultId)).toEqual(ids.slice(-kept).reverse());
  const metrics = await rig.metrics();
  expect(metrics).toContain(`qc_evidence_files ${kept}\n`);
  const bytes = Number(/^qc_evidence_bytes (\d+)$/m.exec(metrics)?.[1]);
  expect(bytes).toBeLessThanOrEqual(1e6);
  expect(bytes).toBeGreaterThan(6e5);
  expect((await readdir(rig.folder)).length).toBe(kept);
  expect((await rig.names()).length).toBe(2 * kept);
});

it('finds all images after a restart, removes incomplete ones, and does not change other files', async () => {
  await using temp = await tempFolder();
  const directory = temp.path;
  const ids: string[] = [];
  {
    await using rig = await openRig({}, { directory });
    for (let i = 1; i <= 3; i++) ids.push(rig.judge(i).resultId);
  }
  const day = join(directory, 'evidence', '2026-11-20');
  const [torn, alone, draft] = [4, 5, 6].map((i) => ulid(at + i));
  await writeFile(join(day, `${torn}.jpg`), '');
  await writeFile(join(day, `${torn}.json`), '{}');
  await writeFile(join(day, `${alone}.jpg`), 'picture');
  await writeFile(join(day, `${draft}.jpg.draft`), 'half a pic');
  await writeFile(join(day, 'notes.txt'), 'mine');
  await writeFile(join(directory, 'evidence', 'README'), 'mine');

  await using rig = await openRig({}, { directory });
  const { items } = await rig.evidence.list({ limit: 10 });
  expect(items.map(({ resultId }) => resultId)).toEqual(ids.toReversed());
  expect(await rig.evidence.picture(ids[0]!)).toBeInstanceOf(Buffer);
  const mine = ids.flatMap((id) => [`${id}.jpg`, `${id}.json`]);
  expect(await rig.names()).toEqual([...mine, 'README', 'notes.txt'].sort());
  expect(rig.log.join()).toContain('3 incomplete images were removed');
  expect(await rig.metrics()).toContain('qc_evidence_files 3\n');
});

it('lists by verdict, label, camera and time, page by page', async () => {
  await using rig = await openRig({ evidencePassShare: 1 });
  for (let i = 1; i <= 25; i++) {
    const verdict = (['fail', 'uncertain', 'pass'] as const)[i % 3]!;
    const over = { verdict, label: i % 2 ? 'scratch' : 'dent', camera: i % 5 ? 'top' : 'side' };
    await rig.written(rig.judge(i, over, at + i * 1_000));
  }
  const sequences = async (query: object) =>
    (await rig.evidence.list({ limit: 100, ...query })).items.map(({ sequence }) => sequence);
  expect(await sequences({ verdict: 'uncertain', label: 'scratch' })).toEqual([25, 19, 13, 7, 1]);
  expect(await sequences({ camera: 'side' })).toEqual([25, 20, 15, 10, 5]);
  expect(await sequences({ from: at + 3_000, to: at + 6_000 })).toEqual([5, 4, 3]);
  const walked: number[] = [];
  let before: string | undefined;
  do {
    const page = await rig.evidence.list({ limit: 4, verdict: 'fail', before });
    expect(page.items.length).toBeLessThanOrEqual(4);
    walked.push(...page.items.map(({ sequence }) => sequence));
    before = page.next ?? undefined;
  } while (before !== undefined);
  expect(walked).toEqual([24, 21, 18, 15, 12, 9, 6, 3]);
});

it('drops and counts images if the disk is slower than the line', async () => {
  await using rig = await openRig({});
  const judged = Array.from({ length: 200 }, (_, i) => rig.judge(i + 1));
  const promised = judged.filter(({ evidence }) => evidence !== null);
  expect(promised.length).toBe(32);
  await rig.written(promised.at(-1)!);
  expect(await rig.metrics()).toContain('qc_evidence_dropped_total{reason="slow"} 168\n');
  for (const { resultId } of promised) expect(await rig.evidence.picture(resultId)).toBeInstanceOf(Buffer);
});

it('reads only files named by a valid id', async () => {
  await using rig = await openRig({});
  for (const id of ['../../package', 'Z'.repeat(26), '01JD/../../../../etc/passwd', '']) {
    expect(await rig.evidence.picture(id)).toBeUndefined();
    expect(await rig.evidence.result(id)).toBeUndefined();
  }
});

describe('on a small disk', () => {
  it('stops before the disk is full, reports it, and restarts automatically', async (context) => {
    if (smallDiskMissing) return context.skip(smallDiskMissing);
    await using disk = await openSmallDisk(8);
    await using rig = await openRig({ minFreeMb: 3 }, { directory: disk.directory, pauseMs: 50 });
    let n = 0;
    // It does not fill the disk: it stops after about 5 MB.
    await until(
      async () => {
        const judged = rig.judge(++n);
        if (judged.evidence === null) return true;
        await until(async () => rig.notice !== '' || (await rig.evidence.result(judged.resultId)));
        return false;
      },
      { timeoutMs: 20_000, what: 'evidence to stop' },
    );
    expect(rig.notice).toMatch(/^only [23] MB of disk are free, 3 must stay free/);
    const kept = await rig.names();
    expect(kept.length).toBeGreaterThan(40);
    expect(rig.judge(++n).evidence).toBeNull();
    expect(await rig.metrics()).toMatch(/qc_evidence_dropped_total\{reason="low-disk"\} [2-9]/);
    // Stored images stay; it continues when there is free space.
    expect(await rig.names()).toEqual(kept);
    for (const name of kept.slice(0, 20)) await rm(join(rig.folder, '2026-11-20', name));
    await until(() => rig.notice === '', { what: 'room again' });
    await rig.written(rig.judge(++n));
  });

  it('survives a disk that another program fills completely, and continues when there is free space', async (context) => {
    if (smallDiskMissing) return context.skip(smallDiskMissing);
    await using disk = await openSmallDisk(4);
    await disk.fill(0);
    await using rig = await openRig({ minFreeMb: 0 }, { directory: disk.directory, pauseMs: 50 });
    let n = 0;
    const stops = () => {
      rig.judge(++n);
      return rig.notice !== '';
    };
    const goesOn = async () => {
      rig.judge(++n);
      return rig.notice === '' && (await rig.names()).length > 0;
    };
    await until(stops, { everyMs: 20, what: 'evidence to stop' });
    for (let round = 0; round < 2; round++) {
      await disk.clear();
      await until(goesOn, { everyMs: 20, what: 'evidence again' });
      await disk.fill(150_000);
      await until(stops, { everyMs: 20, what: 'the disk to be full again' });
    }
    await rig.evidence[Symbol.asyncDispose]();
    const names = await rig.names();
    expect(names.filter((name) => name.endsWith('.draft'))).toEqual([]);
    const of = (end: string) => names.filter((name) => name.endsWith(end)).map((name) => name.slice(0, 26));
    expect(of('.jpg')).toEqual(of('.json'));
  });
});

it('survives a disk that refuses writes, reports it, and continues afterwards', async () => {
  await using temp = await tempFolder();
  const evidence = join(temp.path, 'evidence');
  // Its folder cannot be created.
  await writeFile(evidence, 'a file where a folder should be');
  await using rig = await openRig({}, { directory: temp.path, pauseMs: 30 });
  let n = 0;
  await until(() => rig.notice !== '', { what: 'the notice' });
  expect(rig.notice).toMatch(/^images cannot be stored as evidence: /);
  expect(rig.judge(++n).evidence).toBeNull();
  await rm(evidence);
  const goesOn = () => {
    rig.judge(++n);
    return rig.notice === '';
  };
  await until(goesOn, { everyMs: 20, what: 'evidence again' });
  await rig.written(rig.judge(++n));
  await rm(join(evidence, '2026-11-20'), { recursive: true });
  await writeFile(join(evidence, '2026-11-20'), 'a file where a folder should be');
  const isRefused = () => {
    rig.judge(++n);
    return rig.notice !== '';
  };
  await until(isRefused, { everyMs: 20, what: 'the notice again' });
  expect(await rig.metrics()).toMatch(/qc_evidence_dropped_total\{reason="failed"\} \d/);
});

interface Rig extends AsyncDisposable {
  readonly evidence: Evidence;
  /** Folder of the days. */
  readonly folder: string;
  readonly log: readonly string[];
  readonly notice: string;
  /** Gives a part its result. */
  judge(sequence: number, over?: Partial<Result>, time?: number): Result;
  /** Waits until the images of this result and of all before are on disk. */
  written(judged: Result): Promise<void>;
  metrics(): Promise<string>;
  /** Names of all files in all subfolders. */
  names(): Promise<string[]>;
}

async function openRig(
  settings: object,
  more: { directory?: string; random?: () => number; pauseMs?: number } = {},
): Promise<Rig> {
  await using opened = new Closer();
  const directory = more.directory ?? opened.use(await tempFolder()).path;
  const folder = join(directory, 'evidence');
  const log: string[] = [];
  const metrics = createMetrics({ version: '0.1.0' });
  let notice = '';
  const evidence = opened.use(
    openEvidence(storageSchema.parse({ directory, minFreeMb: 0, ...settings }), {
      log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
      metrics,
      onNotice: (text) => {
        notice = text;
      },
      ...more,
    }),
  );
  const all = opened.move();
  return {
    evidence,
    folder,
    log,
    get notice() {
      return notice;
    },
    judge(sequence, over = {}, time = at + sequence) {
      const one = result(sequence, { resultId: ulid(time), ...over });
      return { ...one, evidence: evidence.keep(one, noisy) };
    },
    async written({ resultId }) {
      await until(() => evidence.result(resultId), { what: `the evidence of ${resultId}` });
    },
    metrics: () => metrics.text(),
    async names() {
      const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
      return found
        .filter((one) => one.isFile())
        .map(({ name }) => name)
        .sort();
    },
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

/** Random pixels, the same each time. */
function noise(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}
