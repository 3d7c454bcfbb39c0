import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../../calibration/dataset/dataset.ts';
import { changeImage, type ImagingChange } from '../../../calibration/dataset/imaging.ts';
import { tune } from '../../../calibration/tune.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { trainingSchema } from '../../../config/training-schema.ts';
import type { Image } from '../../../models/image.ts';
import { promoteVersion } from '../../../models/versions/promote.ts';
import { openStore } from '../../../models/versions/store.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { tinyClassifier, writeTiny } from '../../models/tiny-model.ts';
import { type Label, surface } from '../surface.ts';

const brighter: ImagingChange = { gain: [1.5, 1.5, 1.5], offset: [20, 20, 20], blur: 0 };
const same: ImagingChange = { gain: [1, 1, 1], offset: [0, 0, 0], blur: 0 };

describe('adaptation to recent images', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let config: Parameters<typeof tune>[0];
  let active: string;

  beforeAll(async () => {
    folder = await tempFolder();
    config = {
      model: modelSchema.parse({
        base: await writeTiny(folder.path, {}, tinyClassifier(3)),
        provider: 'cpu',
      }),
      labels: { good: ['good'] },
      thresholds: { pass: 0.7, fail: 0.6 },
      storage: storageSchema.parse({ directory: folder.path, evidenceQuotaMb: 0 }),
      training: trainingSchema.parse({ views: 'none' }),
    };
    {
      await using dataset = await openDataset(folder.path, { onNotice: () => undefined });
      for (const label of ['good', 'stain'] as const) {
        for (let i = 1; i <= 24; i++) await dataset.add({ image: surface(label, i), label, by: 'test' });
      }
    }
    const first = await tune(config, { by: 'test' }, quiet);
    await promoteVersion(config, first.version, { by: 'test' });
    active = first.version;
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  const quiet = { onProgress: () => undefined, onNotice: () => undefined };

  /** Trains for images of other parts. @param labels of the parts, in turn */
  async function adapt(
    labels: readonly Label[],
    change: ImagingChange,
    { count = 40, areUsual = true } = {},
  ) {
    const place = join(folder.path, 'recent');
    await rm(place, { recursive: true, force: true });
    await mkdir(place);
    for (let i = 0; i < count; i++) {
      const image = await changeImage(surface(labels[i % labels.length]!, 1_000 + i), change);
      await write(image, join(place, `${100 + i}.png`));
    }
    return await tune(config, { by: 'test', adaptTo: { images: place, areUsual } }, quiet);
  }

  const mostlyGood: readonly Label[] = ['good', 'good', 'good', 'stain'];

  it('trains on copies of the labelled parts in the new light, and keeps what it knew', async () => {
    const { version, report } = await adapt(mostlyGood, brighter);
    const { adaptation, gate, counts } = report;
    expect(adaptation).toMatchObject({ recent: 40, change: { blur: 0 } });
    expect(adaptation?.sentences[0]).toMatch(/^light: red \+\d+ %, green \+\d+ %/);
    expect(adaptation?.sentences.at(-1)).toMatch(/^light and focus explain [\d.]+ % of the difference$/);
    expect(adaptation!.after).toBeGreaterThan(0.85);
    expect(adaptation!.after).toBeGreaterThan(adaptation!.before!);
    expect(adaptation!.unchanged).toBeGreaterThan(0.85);
    expect(gate.allowed).toBe(true);
    // A copy is the same part: the rates count each part once.
    expect(counts).toEqual({ good: 48, stain: 48 });
    expect([report.escapes.of, report.falseRejects.of]).toEqual([24, 24]);
    const store = await openStore(folder.path);
    expect(await store.active()).toBe(active);
    expect(await store.report(version)).toMatchObject({ adaptation: { recent: 40 } });
  });

  it('does nothing for parts that look as before', async () => {
    await expect(adapt(mostlyGood, same)).rejects.toMatchObject({
      code: 'adaptation-refused',
      message: expect.stringMatching(/^the recent parts look like the labelled ones/),
    });
  });

  it('is refused for a run of bad parts in the same light', async () => {
    await expect(adapt(['stain'], same)).rejects.toMatchObject({ code: 'adaptation-refused' });
  });

  it('makes no bad part pass if the light has changed during a run of bad parts', async () => {
    const outcome = await adapt(['stain'], brighter).then(
      ({ report }) => report.gate,
      (error: { code: string }) => error.code,
    );
    if (typeof outcome === 'string') expect(outcome).toBe('adaptation-refused');
    else expect(outcome.allowed).toBe(false);
  });

  it('needs a person for parts that have become brighter as in brighter light', async () => {
    const { report } = await adapt(['bright'], same, { areUsual: false });
    expect(report.gate).toMatchObject({ allowed: false, reason: expect.stringMatching(/--usual-parts$/) });
  });

  it('needs enough images', async () => {
    await expect(adapt(mostlyGood, brighter, { count: 12 })).rejects.toMatchObject({
      code: 'adaptation-refused',
      message: '12 recent images are too few, 30 are needed',
    });
    await expect(
      tune(config, { by: 'test', adaptTo: { images: join(folder.path, 'models'), areUsual: true } }, quiet),
    ).rejects.toMatchObject({ code: 'adaptation-refused' });
  });
});

async function write({ width, height, data }: Image, file: string): Promise<void> {
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(file);
}
