import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { embeddedBases } from '../../../models/base.ts';
import { decodeModel } from '../../../models/onnx/proto.ts';
import { makePrepare } from '../../../models/prepare/prepare.ts';
import { openSession, type SessionRequest } from '../../../models/run/session.ts';
import { planThreads } from '../../../models/run/threads.ts';
import { checkFailure, checkImage, recordCheck } from '../../../models/run/warm-up-check.ts';
import { formulaImage } from '../formula-image.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyClassifier, tinyManifest, writeTiny } from '../tiny-model.ts';

const on = (base: string, changes: Partial<SessionRequest> = {}): SessionRequest => ({
  base,
  precision: 'auto',
  provider: 'cpu',
  threads: 0,
  ...changes,
});

describe('the embedded base in its thread', () => {
  test('the main loop stays free while it judges', async () => {
    await using session = await openSession(on('resnet50-embedded'));
    const image = formulaImage(224, 224);
    await session.judge(image);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    let inferenceMs = 0;
    for (let i = 0; i < 10; i++) ({ inferenceMs } = await session.judge(image));
    delay.disable();
    const gapMs = delay.max / 1e6;
    console.log(
      `longest gap of the main loop ${gapMs.toFixed(1)} ms, inference ${inferenceMs.toFixed(1)} ms`,
    );
    expect(delay.percentile(90) / 1e6).toBeLessThan(inferenceMs / 2);
  });

  test('the caller keeps its image, in plain or in shared memory', async () => {
    await using session = await openSession(on('resnet50-embedded'));
    const image = formulaImage(300, 200);
    const before = image.data.slice();
    const shared = new Uint8Array(new SharedArrayBuffer(image.data.length));
    shared.set(image.data);
    const features = await session.features(image);
    expect(image.data).toEqual(before);
    expect(await session.features({ ...image, data: shared })).toEqual(features);
    expect(features.length).toBe(session.facts.manifest.features.size);
  });

  test('an invalid image is refused, and the next one judged', async () => {
    await using session = await openSession(on('resnet50-embedded'));
    await expect(session.judge({ width: 9, height: 9, data: new Uint8Array(5) })).rejects.toMatchObject({
      code: 'image-invalid',
    });
    expect((await session.judge(formulaImage(9, 9))).version).toBe('none');
  });
});

describe('cutting a classifier', () => {
  test('its pooled tensor, its averaged feature map and an independent computation agree', async () => {
    await using folder = await tempFolder();
    const image = formulaImage(50, 70);
    const model = tinyClassifier();
    const flat = await featuresOf(await writeTiny(folder.path), image);
    const averaged = await featuresOf(
      await writeTiny(folder.path, { features: { tensor: 'stage', pool: 'average', size: 8 } }),
      image,
    );
    const kernel = model.graph!.initializer[0]!;
    const values = new Float32Array(kernel.rawData!.slice().buffer);
    const tensor = makePrepare(tinyManifest(new Uint8Array(0)).input)(image);
    const own = convolveAndAverage(tensor, values);
    for (let i = 0; i < 8; i++) {
      expect(flat[i]).toBeCloseTo(own[i]!, 4);
      expect(averaged[i]).toBeCloseTo(own[i]!, 4);
    }
  });

  test('a feature map without averaging has another size than in the manifest', async () => {
    await using folder = await tempFolder();
    const path = await writeTiny(folder.path, { features: { tensor: 'stage', pool: 'none', size: 8 } });
    await expect(openSession(on(path))).rejects.toMatchObject({
      code: 'model-mismatch',
      message: expect.stringContaining('stage has 2048 features, the manifest says 8'),
    });
  });

  async function featuresOf(base: string, image = formulaImage(32, 32)): Promise<Float32Array> {
    await using session = await openSession(on(base));
    return session.features(image);
  }

  /** Conv 3×3, stride 2, pad 1, then ReLU and the mean over all positions. */
  function convolveAndAverage(tensor: Float32Array, kernel: Float32Array): number[] {
    return Array.from({ length: 8 }, (_, out) => {
      let sum = 0;
      for (let y = 0; y < 16; y++) {
        for (let x = 0; x < 16; x++) {
          let value = 0;
          for (let k = 0; k < 27; k++) {
            const [channel, row, column] = [
              Math.floor(k / 9),
              y * 2 + (Math.floor(k / 3) % 3) - 1,
              x * 2 + (k % 3) - 1,
            ];
            if (row < 0 || column < 0 || row > 31 || column > 31) continue;
            value += kernel[out * 27 + k]! * tensor[channel * 1024 + row * 32 + column]!;
          }
          sum += Math.max(0, value);
        }
      }
      return sum / 256;
    });
  }
});

describe('the warm-up check', () => {
  test('refuses changed weights, even if every hash matches', async () => {
    await using folder = await tempFolder();
    await using session = await openSession(on(await writeTiny(folder.path)));
    const check = recordCheck(await session.features(checkImage(32, 32)));
    await using good = await openSession(on(await writeTiny(folder.path, { check })));
    expect(good.facts.provider).toBe('cpu');
    const tampered = openSession(on(await writeTiny(folder.path, { check }, tinyClassifier(2))));
    await expect(tampered).rejects.toMatchObject({ code: 'model-check-failed', exitCode: 3 });
  });

  test('accepts rounding differences only', () => {
    const features = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i) + 1);
    const check = recordCheck(features);
    expect(checkFailure(check, features, 'fp32')).toBeUndefined();
    expect(
      checkFailure(
        check,
        features.map((value) => value * 1.002),
        'fp32',
      ),
    ).toBeUndefined();
    expect(
      checkFailure(
        check,
        features.map((value) => value * 1.05),
        'fp32',
      ),
    ).toMatch(/length/);
    expect(checkFailure(check, features.toReversed(), 'fp32')).toMatch(/differ by/);
    expect(
      checkFailure(
        check,
        features.map((v, i) => (i === 3 ? Number.NaN : v)),
        'fp32',
      ),
    ).toMatch(/finite/);
    expect(checkFailure(check, new Float32Array(100), 'fp32')).toBeDefined();
  });

  test('the manifest of the embedded base is up to date', async () => {
    const manifest = JSON.parse(readFileSync(join(embeddedBases, 'resnet50-embedded.json'), 'utf8'));
    const { opsetImport } = decodeModel(readFileSync(join(embeddedBases, manifest.file)));
    expect(Number(opsetImport[0]!.version)).toBe(manifest.opset);
    expect(manifest.check).toBeDefined();
  });
});

describe('providers', () => {
  test('auto reports the chosen provider and the reason against each other one', async () => {
    await using folder = await tempFolder();
    await using session = await openSession(on(await writeTiny(folder.path), { provider: 'auto' }));
    const { provider, why } = session.facts;
    const order = ['tensorrt', 'cuda', 'webgpu', 'cpu'];
    expect(why.map((line) => line.split(':')[0])).toEqual(order.slice(0, order.indexOf(provider)));
    for (const line of why) expect(line).toMatch(/^\w+: [\w .×%,'()-]+$/);
    console.log(`runs on ${provider}; ${why.join('; ')}`);
  });

  test('a named provider that is unavailable is refused, not replaced', async () => {
    await using folder = await tempFolder();
    await using auto = await openSession(on(await writeTiny(folder.path), { provider: 'auto' }));
    for (const line of auto.facts.why) {
      const provider = line.split(':')[0] as 'cuda';
      await expect(openSession(on(join(folder.path, 'tiny.onnx'), { provider }))).rejects.toMatchObject({
        code: 'provider-unavailable',
        exitCode: 3,
        message: expect.stringContaining(line),
      });
    }
  });
});

describe('the queue', () => {
  test('answers all accepted images and refuses those that would wait too long', async () => {
    await using folder = await tempFolder();
    await using session = await openSession(on(await writeTiny(folder.path)));
    const done: number[] = [];
    const asked = Array.from({ length: 80 }, (_, i) =>
      session.judge(formulaImage(32, 32)).then(() => done.push(i)),
    );
    const outcomes = await Promise.allSettled(asked);
    const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused).toHaveLength(80 - 64);
    expect(refused[0]!.reason).toMatchObject({ code: 'overloaded' });
    // Two threads may finish in another order.
    const order = Array.from({ length: 64 }, (_, i) => i);
    expect(done.toSorted((a, b) => a - b)).toEqual(order);
  });

  test('closing finishes running images, refuses waiting ones, and ends the thread', async () => {
    await using folder = await tempFolder();
    const storageDirectory = folder.path;
    const session = await openSession(on(await writeTiny(folder.path), { storageDirectory }));
    const { workers } = planThreads(0, 'fp32');
    const asked = Array.from({ length: 4 * workers }, () => session.judge(formulaImage(32, 32)));
    const closed = session[Symbol.asyncDispose]();
    const outcomes = await Promise.allSettled(asked);
    await closed;
    // Each worker runs one image and has one queued.
    const given = 2 * workers;
    expect(outcomes.slice(0, given).every(({ status }) => status === 'fulfilled')).toBe(true);
    expect(outcomes.slice(given).every(({ status }) => status === 'rejected')).toBe(true);
    expect(await session.ended).toBeUndefined();
    await expect(session.judge(formulaImage(32, 32))).rejects.toMatchObject({ code: 'inference-stopped' });
  });
});

test('a process that exits while the model runs keeps its exit code', () => {
  const script = fileURLToPath(new URL('../exits-while-judging.js', import.meta.url));
  const { status, signal, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect({ status, signal, stderr }).toEqual({ status: 7, signal: null, stderr: '' });
});

test('the runtime reports nothing to its maker', async () => {
  const script = fileURLToPath(new URL('../exits-while-judging.js', import.meta.url));
  await using folder = await tempFolder();
  // Telemetry would first write a log and a device id; under CI it is disabled anyway.
  const { PATH, LD_LIBRARY_PATH } = process.env;
  const env = { PATH, LD_LIBRARY_PATH, HOME: folder.path, TMPDIR: folder.path, XDG_CACHE_HOME: folder.path };
  const { status } = spawnSync(process.execPath, [script], { env });
  expect(status).toBe(7);
  expect(await readdir(folder.path, { recursive: true })).toEqual([]);
});
