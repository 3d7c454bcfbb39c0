import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelsHalveCommand, modelsQuantizeCommand } from '../../agent/cli/models/quantize.ts';
import { type QuantizeConfig, quantize, whyNotQuantize } from '../../calibration/quantize.ts';
import type { Config } from '../../config/schema.ts';
import { openBase } from '../../models/base.ts';
import type { Image } from '../../models/image.ts';
import { manifestText, readBaseManifest } from '../../models/manifest.ts';
import { quantizeBase } from '../../models/quantize/quantize.ts';
import { keepQuantized, lastReport } from '../../models/quantize/variants.ts';
import { openSession } from '../../models/run/session.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { site } from './site.ts';
import { type Label, surface } from './surface.ts';

const silent = { onProgress: () => undefined, onNotice: () => undefined };
const picture = (label: Label, seed: number) => async () => surface(label, seed);
const pictures = Array.from({ length: 16 }, (_, i) => picture(i % 2 ? 'stain' : 'good', i));
const options = { method: 'best', threads: 1, source: 'test', revision: null, ...silent } as const;
const open = ({ model, storage }: QuantizeConfig) =>
  openSession({ ...model, storageDirectory: storage.directory });
const variantFile = (folder: string) => join(folder, 'bases', 'tiny.int8.json');

/** Writes a speed-up as measured on another machine. */
async function sayFaster(folder: string, speedup: number): Promise<void> {
  const manifest = await readBaseManifest(variantFile(folder));
  manifest.quantization!.speedup = speedup;
  await writeFile(variantFile(folder), manifestText(manifest));
}

describe('an int8 variant', () => {
  it('is made from the labelled frames, reports its speed and accuracy, and judges after the next start', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path);
    expect(await whyNotQuantize(config)).toBeUndefined();
    await using before = await open(config);
    expect(before.facts).toMatchObject({ precision: 'fp32' });
    expect(before.facts.because).toContain('qc-agent models quantize');

    const steps = new Set<string>();
    const { text, json, refused } = await modelsQuantizeCommand(
      config as unknown as Config,
      {},
      { ...silent, onProgress: (step) => steps.add(step) },
    );
    expect(refused).toBe(false);
    expect(text).toMatch(/^base +tiny, int8: passed: features correlate 0\.99/m);
    expect(text).toMatch(/^not seen +48 frames: right/m);
    expect(json).toMatchObject({
      passed: true,
      methods: { minmax: expect.any(Number), entropy: expect.any(Number) },
    });
    expect([...steps]).toContain('recording activations');
    expect(await whyNotQuantize(config)).toBe('an int8 variant already passed');
    const report = await lastReport(folder.path, 'tiny');
    expect(report?.layers.every(({ sqnr }) => sqnr > 15)).toBe(true);
    expect(report?.quantization.heldOut?.frames).toBe(48);

    await sayFaster(folder.path, 2.5);
    await using session = await open(config);
    expect(session.facts).toMatchObject({
      precision: 'int8',
      manifest: { variantOf: before.facts.manifest.sha256 },
    });
    expect(session.facts.because).toContain('2.5 times as fast');
    const image = surface('stain', 99);
    const [exact, levels] = [await before.features(image), await session.features(image)];
    expect(exact).not.toEqual(levels);
    expect(Math.max(...exact.map((value, i) => Math.abs(value - levels[i]!)))).toBeLessThan(
      0.1 * Math.max(...exact.map(Math.abs)),
    );

    await sayFaster(folder.path, 0.9);
    await using slower = await open(config);
    expect(slower.facts).toMatchObject({ precision: 'fp32', because: expect.stringContaining('not faster') });
  });

  it('is refused if heads judge worse with it; the earlier accepted one stays', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, { labelled: 0 });
    const base = await openBase({ base: config.model.base, precision: 'fp32' });
    const good = await quantizeBase(base, pictures, options);
    expect(await keepQuantized(folder.path, good)).toContain('tiny.int8-');
    const passed = await readFile(variantFile(folder.path), 'utf8');

    const shares = { fp32: 0, int8: 0 };
    const heldOut = { frames: 200, fp32: 0.97, int8: 0.96, unfamiliar: shares, escapes: null };
    const worse = await quantizeBase(base, pictures, {
      ...options,
      judge: async () => ({ heldOut, refusal: '1.00 points fewer held-out parts are judged correctly' }),
    });
    expect(worse.report).toMatchObject({ passed: false, reason: expect.stringContaining('1.00 points') });
    expect(await keepQuantized(folder.path, worse)).toBeUndefined();
    expect(await readFile(variantFile(folder.path), 'utf8')).toBe(passed);
    expect(await lastReport(folder.path, 'tiny')).toMatchObject({ passed: false });
  });

  it('is refused if its ranges are from other parts', async () => {
    await using folder = await tempFolder();
    const base = await openBase({
      base: (await site(folder.path, { labelled: 0 })).model.base,
      precision: 'fp32',
    });
    // Three of four images choose the ranges, the fourth is compared: the first three have almost no contrast.
    const flat: Image = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3).fill(118) };
    const wrong = pictures.map((one, i) => (i % 4 === 3 ? one : async () => flat));
    const { report } = await quantizeBase(base, wrong, { ...options, method: 'minmax' });
    expect(report.passed).toBe(false);
    expect(report.reason).toMatch(/^its features correlate .* at least 0\.99 is needed$/);
  });

  it('keeps operators in float that need more than 256 levels', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, { labelled: 0, outlier: 1_000 });
    const base = await openBase({ base: config.model.base, precision: 'fp32' });
    const { report } = await quantizeBase(base, pictures, { ...options, method: 'minmax' });
    expect(report.quantization.float).toContain('b2.conv.out');
    expect(report.quantization.float.length).toBeLessThan(4);
    expect(report).toMatchObject({ passed: true });
  });

  it('that is damaged or of another version of its base does not prevent auto from running without it', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, { labelled: 0 });
    const explicit = { ...config, model: { ...config.model, precision: 'int8' as const } };
    await expect(open(explicit)).rejects.toMatchObject({
      code: 'precision-unavailable',
      remedy: expect.stringContaining('qc-agent models quantize'),
    });
    const base = await openBase({ base: config.model.base, precision: 'fp32' });
    const file = (await keepQuantized(folder.path, await quantizeBase(base, pictures, options)))!;
    await sayFaster(folder.path, 3);
    await using whole = await open(explicit);
    expect(whole.facts.precision).toBe('int8');

    await appendFile(file, 'x');
    await expect(open(explicit)).rejects.toMatchObject({ code: 'model-damaged' });
    await using fallen = await open(config);
    expect(fallen.facts).toMatchObject({
      precision: 'fp32',
      because: expect.stringContaining('cannot be used'),
    });

    await keepQuantized(folder.path, await quantizeBase(base, pictures, options));
    await site(folder.path, { labelled: 0, outlier: 2 });
    await expect(open(explicit)).rejects.toMatchObject({
      message: expect.stringContaining('another version of its file'),
    });
    expect(await readBaseManifest(variantFile(folder.path))).toMatchObject({ precision: 'int8' });
    expect((await readdir(join(folder.path, 'bases'))).filter((name) => name.endsWith('.onnx'))).toHaveLength(
      1,
    );
  });

  it('needs images, and uses unlabelled parts if no frame is labelled', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, { labelled: 0 });
    await expect(quantize(config, {}, silent)).rejects.toMatchObject({ code: 'quantize-impossible' });
    async function* drawn(count: number) {
      for (let i = 0; i < count; i++) yield { image: surface('good', i) };
    }
    const { report, file } = await quantize(config, { frames: 12, method: 'entropy' }, { ...silent, drawn });
    expect(report.quantization).toMatchObject({ method: 'entropy', frames: 9, heldOut: null });
    expect(file).toBeDefined();
    // Labelled frames are better: it is made again when there are some.
    expect(await whyNotQuantize(config)).toBeUndefined();
  });

  it('does not begin after a cancel', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(quantize(config, {}, { ...silent, signal })).rejects.toThrow('enough');
    expect(await readdir(folder.path)).not.toContain('bases');
  });
});

describe('an fp16 variant', () => {
  it('is made from labelled or unlabelled parts, reports its accuracy, and is used if it is configured', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path);
    const { text, json, refused } = await modelsHalveCommand(config as unknown as Config, {}, silent);
    expect(refused).toBe(false);
    expect(text).toMatch(/^base +tiny, fp16: passed: features correlate at least (1|0\.9999)/m);
    expect(json).toMatchObject({ base: 'tiny', passed: true, file: expect.stringContaining('tiny.fp16-') });

    await using float = await open(config);
    expect(float.facts).toMatchObject({ provider: 'cpu', precision: 'fp32' });
    const explicit = { ...config, model: { ...config.model, precision: 'fp16' as const } };
    await using half = await open(explicit);
    expect(half.facts).toMatchObject({
      precision: 'fp16',
      manifest: { variantOf: float.facts.manifest.sha256 },
    });
    const image = surface('stain', 99);
    const [exact, rounded] = [await float.features(image), await half.features(image)];
    expect(exact).not.toEqual(rounded);
    for (const [i, value] of exact.entries()) expect(rounded[i]).toBeCloseTo(value, 2);

    // Another file with the same name and other features.
    await site(folder.path, { labelled: 0, outlier: 2 });
    await expect(open(explicit)).rejects.toMatchObject({
      code: 'precision-unavailable',
      message: expect.stringContaining('another version of its file'),
    });
  });

  it('is refused if the arithmetic overflows, and nothing is stored', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, { labelled: 0, outlier: 60_000 });
    async function* drawn(count: number) {
      for (let i = 0; i < count; i++) yield { image: surface(i % 2 ? 'stain' : 'good', i) };
    }
    const { text, refused } = await modelsHalveCommand(
      config as unknown as Config,
      { frames: 8 },
      { ...silent, drawn },
    );
    expect(refused).toBe(true);
    expect(text).toMatch(/fp16: REFUSED: .+ reaches [\d.e+]+, at most 32752 is allowed/);
    expect(await readdir(join(folder.path, 'bases')).catch(() => [])).toEqual([]);
  });
});
