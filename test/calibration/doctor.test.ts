import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openDataset, readDataset } from '../../calibration/dataset/dataset.ts';
import { frameId } from '../../calibration/dataset/frame.ts';
import { readFrame } from '../../calibration/dataset/read-frame.ts';
import { examine } from '../../calibration/doctor.ts';
import type { Finding } from '../../calibration/finding.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import type { Image } from '../../models/image.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { writeTiny } from '../models/tiny-model.ts';
import { surface } from './surface.ts';

/** @param frames frames to add first; undefined: uses the existing ones, also while another process writes */
async function doctor(
  storage: string,
  frames: readonly (readonly [string, Image])[] | undefined,
  spoil?: string,
) {
  if (frames) {
    await using dataset = await openDataset(storage, { onNotice: () => undefined });
    for (const [label, image] of frames) await dataset.add({ image, label, by: 'test' });
  }
  if (spoil !== undefined) {
    const { frames: kept } = await readDataset(storage, () => undefined);
    await writeFile(kept.find(({ label }) => label === spoil)!.file, 'no picture');
  }
  await using base = await tempFolder();
  const findings = await examine(
    {
      model: modelSchema.parse({ base: await await writeTiny(base.path), provider: 'cpu' }),
      labels: { good: ['good'] },
      thresholds: { pass: 0.7, fail: 0.6 },
      storage: storageSchema.parse({ directory: storage, evidenceQuotaMb: 0 }),
    },
    { onProgress: () => undefined, onNotice: () => undefined },
  );
  return { findings, kinds: findings.map(({ kind }) => kind) };
}

const many = (label: 'good' | 'stain' | 'bright', count: number, from = 1) =>
  Array.from({ length: count }, (_, i) => [label, surface(label, from + i)] as const);
const of = (findings: readonly Finding[], kind: Finding['kind']) =>
  findings.filter((one) => one.kind === kind);

describe('the dataset doctor', () => {
  it('reports an empty dataset, with a remedy', async () => {
    await using folder = await tempFolder();
    const { findings } = await doctor(folder.path, []);
    expect(findings).toMatchObject([{ kind: 'no-frames', severity: 'error' }]);
    expect(findings[0]!.remedy).toContain('dataset import');
  });

  it('finds nothing wrong with enough of each', async () => {
    await using folder = await tempFolder();
    const { findings } = await doctor(folder.path, [...many('good', 14), ...many('bright', 12)]);
    expect(findings).toEqual([]);
  });

  it('finds faults in imported frames that a new import would refuse', async () => {
    await using folder = await tempFolder();
    const flat = (value: number, other: number): Image => {
      const { width, height } = surface('good', 1);
      const data = new Uint8Array(width * height * 3).fill(value);
      return { width, height, data: data.fill(other, 0, 300) };
    };
    const { findings } = await doctor(folder.path, [
      ...many('good', 12),
      ...many('bright', 10),
      ...many('stain', 12, 30).map(([, image], i) => {
        const label = ['OK', 'train', '2026-11-29', 'bright_', 'bright ones', 'goood'][i % 6]!;
        return [label, image] as const;
      }),
      ['bright', flat(0, 255)],
      ['good', flat(1, 3)],
    ]);
    const told = (kind: Finding['kind']) => of(findings, kind).map(({ text }) => text);
    expect(told('label-spelling')).toEqual([
      '"OK" (2 images) would be a defect: labels.good names "good"',
      '"bright_" (2 images) differs only in spelling from "bright"',
      '"goood" (2 images) is similar to "good", which means good: it counts as a separate defect',
    ]);
    expect(told('label-is-folder')).toEqual([
      'train (2) is the name of a split, a container or a day, and counts as a defect',
      '2026-11-29 (2) is the name of a split, a container or a day, and counts as a defect',
    ]);
    expect(told('looks-like-mask')).toEqual(['1 frames have only two grey values: they may be masks']);
    expect(told('nearly-black')).toEqual(['1 frames are nearly black']);
  });

  it('reports no unreadable frames while others are relabelled, and ignores removed ones', async () => {
    await using folder = await tempFolder();
    await using dataset = await openDataset(folder.path, { onNotice: () => undefined });
    for (const [label, image] of [...many('good', 14), ...many('bright', 12)])
      await dataset.add({ image, label, by: 'test' });
    const ids = dataset.frames.filter(({ label }) => label === 'bright').map(({ id }) => id);
    let over = false;
    const others = (async () => {
      for (let turn = 0; !over; turn++) {
        await dataset.relabel(ids, turn % 2 === 0 ? 'glossy' : 'bright', { by: 'somebody else' });
        await dataset.remove([dataset.frames[0]!.id], { by: 'somebody else' });
        await dataset.undo({ by: 'somebody else' });
      }
    })();
    const { findings } = await doctor(folder.path, undefined);
    for (const frame of await readDataset(folder.path, () => undefined).then(({ frames }) => frames)) {
      const png = await readFrame(frame).catch((error: Error) => error.message);
      if (typeof png === 'string') expect(png).not.toContain(folder.path);
    }
    over = true;
    await others;
    for (const { text } of of(findings, 'unreadable')) expect(text).not.toContain(folder.path);
    expect(of(findings, 'unreadable').length).toBeLessThanOrEqual(1);
  });

  it('reports that only one label exists, and that no part could pass', async () => {
    await using folder = await tempFolder();
    const { kinds } = await doctor(folder.path, many('bright', 12));
    expect(kinds).toEqual(['one-label', 'no-good']);
  });

  it('reports training on good parts only, or how many of them are missing', async () => {
    await using folder = await tempFolder();
    const { findings } = await doctor(folder.path, [...many('good', 12), ...many('stain', 2)]);
    expect(of(findings, 'good-only')).toMatchObject([
      { severity: 'hint', text: 'no defect has 4 frames: training uses good parts only (12)' },
    ]);
    expect(findings.some(({ severity }) => severity === 'error')).toBe(false);
    await using other = await tempFolder();
    const { findings: few } = await doctor(other.path, many('good', 6));
    expect(of(few, 'too-few')).toMatchObject([
      { severity: 'error', text: '6 good parts are labelled, training needs at least 10' },
    ]);
  });

  it('counts missing frames, worst label first', async () => {
    await using folder = await tempFolder();
    const { findings } = await doctor(folder.path, [
      ...many('good', 12),
      ...many('bright', 6),
      ...many('stain', 2),
    ]);
    expect(of(findings, 'too-few')).toMatchObject([
      { severity: 'error', text: expect.stringContaining('stain has 2') },
      { severity: 'warning', text: expect.stringContaining('bright has only 6') },
    ]);
  });

  it('names an unreadable image and continues with the others', async () => {
    await using folder = await tempFolder();
    const { findings } = await doctor(folder.path, [...many('good', 12), ...many('bright', 12)], 'bright');
    expect(findings).toMatchObject([
      { kind: 'unreadable', frames: [expect.stringMatching(/^[0-9a-f]{64}$/)] },
    ]);
  });

  it('detects an image of another size', async () => {
    await using folder = await tempFolder();
    const { findings } = await doctor(folder.path, [
      ...many('good', 12),
      ...many('bright', 12),
      ['good', surface('good', 99, 64)],
    ]);
    expect(of(findings, 'odd-size')).toMatchObject([
      { text: expect.stringContaining('1 frames are 64 × 64') },
    ]);
  });

  it('shows a mislabelled part with the label that it resembles', async () => {
    await using folder = await tempFolder();
    const { findings } = await doctor(folder.path, [
      ...many('good', 16),
      ...many('bright', 16),
      ['good', surface('bright', 500)],
    ]);
    const [mistake, ...others] = of(findings, 'likely-mistake');
    expect(others).toEqual([]);
    expect(mistake).toMatchObject({
      suggestion: 'bright',
      text: expect.stringContaining('labelled good, but classified as bright'),
    });
    const { frames } = await readDataset(folder.path, () => undefined);
    expect(frames.find(({ id }) => id === mistake!.frames[0])).toMatchObject({ label: 'good' });
    expect(frames.find(({ id }) => id === mistake!.beside)).toMatchObject({ label: 'bright' });
  });

  it('finds nearly the same image under two labels', async () => {
    await using folder = await tempFolder();
    const twin = surface('bright', 3);
    const data = twin.data.slice();
    data[0]! ^= 1;
    const { findings } = await doctor(folder.path, [
      ...many('good', 12),
      ...many('bright', 12),
      ['good', { ...twin, data }],
    ]);
    // The most similar pair comes first; other pairs depend on the tiny base.
    const [first] = of(findings, 'near-duplicates');
    const { frames } = await readDataset(folder.path, () => undefined);
    const labels = first!.frames.map((id) => frames.find((frame) => frame.id === id)!.label);
    expect(labels.sort()).toEqual(['bright', 'good']);
    expect(first!.frames).toContain(frameId(twin));
  });
});
