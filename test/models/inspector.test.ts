import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { modelSchema } from '../../config/model-schema.ts';
import { type Inspector, type InspectorOptions, openInspector } from '../../models/inspector.ts';
import { installTiny } from '../rigs/bases.ts';
import { plate, storeHead } from './fitted-head.ts';
import { tempFolder } from './temp-folder.ts';
import { tinyClassifier, writeTiny } from './tiny-model.ts';

async function open(
  storageDirectory: string,
  { base = 'resnet50-embedded', ...rest }: Partial<InspectorOptions> & { base?: string } = {},
): Promise<Inspector & { readonly notices: string[] }> {
  const notices: string[] = [];
  const model = modelSchema.parse({ base, provider: 'cpu' });
  const inspector = await openInspector({
    model,
    storageDirectory,
    onNotice: (text) => notices.push(text),
    ...rest,
  });
  return Object.defineProperty(inspector as Inspector & { notices: string[] }, 'notices', { value: notices });
}

/** A store with the tiny base in it and one head for it. */
async function tinyStore(storage: string) {
  const base = await writeTiny(storage);
  await using inspector = await open(storage, { base });
  const version = await storeHead(storage, inspector.manifest, inspector.features);
  return { base, version };
}

describe('with the embedded base', () => {
  test('without a head an image gets no label; with one, scratched and good plates are distinguished', async () => {
    await using folder = await tempFolder();
    {
      await using inspector = await open(folder.path);
      expect(inspector.model).toMatchObject({ version: 'none', base: 'resnet50-embedded', provider: 'cpu' });
      expect(inspector.labels).toEqual([]);
      expect(await inspector.judge(plate('good', 1))).toMatchObject({ probabilities: {}, version: 'none' });
      const version = await storeHead(folder.path, inspector.manifest, inspector.features);
      await inspector.swapHead(version);
      expect(inspector.model.version).toBe(version);
    }
    await using inspector = await open(folder.path);
    expect(inspector.labels).toEqual(['good', 'scratch']);
    for (let seed = 101; seed < 106; seed++) {
      for (const label of ['good', 'scratch'] as const) {
        const { probabilities, inferenceMs, queueMs } = await inspector.judge(plate(label, seed));
        expect(probabilities[label]).toBeGreaterThan(0.5);
        expect(probabilities.good! + probabilities.scratch!).toBeCloseTo(1, 5);
        expect(inferenceMs).toBeGreaterThan(0);
        expect(queueMs).toBeGreaterThanOrEqual(0);
      }
    }
    expect(inspector.notices).toEqual([]);
  });
});

describe('swapping heads', () => {
  test('under load every image is judged once, by the head that was active at the request', async () => {
    await using folder = await tempFolder();
    const { base, version: first } = await tinyStore(folder.path);
    await using inspector = await open(folder.path, { base });
    const labels = ['fine', 'cut'];
    const second = await storeHead(folder.path, inspector.manifest, inspector.features, {
      labels,
      promote: false,
    });
    const image = plate('scratch', 9);
    const versions: string[] = [];
    const ask = () =>
      inspector.judge(image).then(({ version, probabilities }) => {
        versions.push(version);
        expect(Object.keys(probabilities).sort()).toEqual(
          version === first ? ['good', 'scratch'] : ['cut', 'fine'],
        );
      });
    const before = Array.from({ length: 30 }, ask);
    const swapped = inspector.swapHead(second);
    await Promise.all(before);
    await swapped;
    await Promise.all(Array.from({ length: 30 }, ask));
    expect(versions).toEqual([...Array(30).fill(first), ...Array(30).fill(second)]);
  });

  test('a damaged, foreign or unknown version is refused and the old one continues to judge', async () => {
    await using folder = await tempFolder();
    const { base, version } = await tinyStore(folder.path);
    await using inspector = await open(folder.path, { base });
    const bad = await storeHead(folder.path, inspector.manifest, inspector.features, { promote: false });
    await appendFile(join(folder.path, 'models', bad, 'head.onnx'), 'x');
    await expect(inspector.swapHead(bad)).rejects.toMatchObject({ code: 'head-damaged' });

    const foreign = { ...inspector.manifest, name: 'other', sha256: 'a'.repeat(64) };
    const strange = await storeHead(folder.path, foreign, inspector.features, { promote: false });
    await expect(inspector.swapHead(strange)).rejects.toMatchObject({
      code: 'head-base-mismatch',
      message: expect.stringContaining('trained on the base other'),
    });

    const short = async () => new Float32Array([1, 2, 3, Math.random()]);
    const narrow = await storeHead(folder.path, inspector.manifest, short, { promote: false });
    await expect(inspector.swapHead(narrow)).rejects.toMatchObject({
      code: 'head-damaged',
      message: expect.stringContaining('features [N,4] float32, the base provides [N,8]'),
    });
    await expect(inspector.swapHead('2020-01-01.1')).rejects.toMatchObject({ code: 'version-unknown' });

    expect(inspector.model.version).toBe(version);
    expect((await inspector.judge(plate('good', 3))).version).toBe(version);
  });
});

describe('kept heads', () => {
  test('judge only images that name them, without a shadow, and with their own rules', async () => {
    await using folder = await tempFolder();
    const { base, version: active } = await tinyStore(folder.path);
    await using inspector = await open(folder.path, { base });
    const labels = ['fine', 'cut'];
    const other = await storeHead(folder.path, inspector.manifest, inspector.features, {
      labels,
      promote: false,
    });
    await expect(inspector.judge(plate('good', 1), { head: other })).rejects.toMatchObject({
      code: 'version-unknown',
    });
    await inspector.useShadow(active);
    await inspector.keepHead(other);
    const judged = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        inspector.judge(plate('good', i), { head: i % 2 ? other : undefined }),
      ),
    );
    for (const [i, { version, probabilities, shadow }] of judged.entries()) {
      expect(version).toBe(i % 2 ? other : active);
      expect(Object.keys(probabilities).sort()).toEqual(i % 2 ? ['cut', 'fine'] : ['good', 'scratch']);
      expect(shadow?.version).toBe(i % 2 ? undefined : active);
    }
    expect(inspector.rulesOf(other)).toMatchObject({ version: other });
    expect(inspector.model.version).toBe(active);
  });

  test('are refused if damaged, foreign or unknown, even if they were intact before', async () => {
    await using folder = await tempFolder();
    const { base } = await tinyStore(folder.path);
    await using inspector = await open(folder.path, { base });
    const other = await storeHead(folder.path, inspector.manifest, inspector.features, { promote: false });
    await inspector.keepHead(other);
    await inspector.keepHead(other);
    await appendFile(join(folder.path, 'models', other, 'head.onnx'), 'x');
    await expect(inspector.keepHead(other)).rejects.toMatchObject({ code: 'head-damaged' });
    const foreign = { ...inspector.manifest, name: 'other', sha256: 'a'.repeat(64) };
    const strange = await storeHead(folder.path, foreign, inspector.features, { promote: false });
    await expect(inspector.keepHead(strange)).rejects.toMatchObject({ code: 'head-base-mismatch' });
    await expect(inspector.keepHead('2020-01-01.1')).rejects.toMatchObject({ code: 'version-unknown' });
    expect((await inspector.judge(plate('good', 1), { head: other })).version).toBe(other);
  });
});

describe('at the start', () => {
  test('a damaged active head is replaced by the last intact one, with a notice', async () => {
    await using folder = await tempFolder();
    const { base, version } = await tinyStore(folder.path);
    let bad: string;
    {
      await using inspector = await open(folder.path, { base });
      bad = await storeHead(folder.path, inspector.manifest, inspector.features);
    }
    const file = join(folder.path, 'models', bad, 'head.onnx');
    await writeFile(file, (await readFile(file)).subarray(0, 40));
    {
      await using inspector = await open(folder.path, { base });
      expect(inspector.model.version).toBe(version);
      expect(inspector.notices).toEqual([
        expect.stringMatching(`${bad}: .*judging with version ${version} instead`),
      ]);
    }
    await writeFile(join(folder.path, 'models', version, 'manifest.json'), '{}');
    await expect(open(folder.path, { base })).rejects.toMatchObject({ code: 'head-damaged', exitCode: 3 });
  });

  test('a head of another base does not judge: no head does, and the remedy is named', async () => {
    await using folder = await tempFolder();
    const { version } = await tinyStore(folder.path);
    await using inspector = await open(folder.path);
    expect(inspector.misfit()).toMatchObject({
      code: 'head-base-mismatch',
      message: expect.stringContaining(`model version ${version} was trained on the base tiny`),
      remedy: expect.stringContaining('train a new version'),
    });
    expect(inspector.notices).toEqual([expect.stringContaining('the base in use is resnet50-embedded')]);
    expect(inspector.labels).toEqual([]);
    expect(await inspector.judge(plate('good', 1))).toMatchObject({ probabilities: {}, version: 'none' });

    await expect(inspector.keepHead(version)).rejects.toMatchObject({ code: 'head-base-mismatch' });
    expect(inspector.misfit(version)?.code).toBe('head-base-mismatch');
    const fitting = await storeHead(folder.path, inspector.manifest, inspector.features);
    await inspector.swapHead(fitting);
    expect(inspector.misfit()).toBeUndefined();
    expect((await inspector.judge(plate('good', 1))).version).toBe(fitting);
    // Parts of a recipe with the old head are never judged by the active one.
    expect((await inspector.judge(plate('good', 1), { head: version })).version).toBe('none');
  });

  test('the name of an earlier embedded base refers to its successor, unless the old base is installed', async () => {
    await using folder = await tempFolder();
    await using inspector = await open(folder.path, { base: 'resnet50-synthetic' });
    expect(inspector.model.base).toBe('resnet50-embedded');
    expect(inspector.notices).toEqual([
      'model.base: resnet50-synthetic is no longer part of qc-edge-agent; resnet50-embedded is used instead — set model.base to resnet50-embedded',
    ]);
    const bases = join(folder.path, 'bases');
    await mkdir(bases);
    await writeTiny(bases, { name: 'resnet50-synthetic' });
    await rename(join(bases, 'tiny.json'), join(bases, 'resnet50-synthetic.json'));
    await using kept = await open(folder.path, { base: 'resnet50-synthetic' });
    expect([kept.model.base, kept.notices]).toEqual(['resnet50-synthetic', []]);
  });
});

describe('when the thread dies', () => {
  test('its image is rejected, it is restarted, and the next images are judged', async () => {
    await using folder = await tempFolder();
    const { base, version } = await tinyStore(folder.path);
    await using inspector = await open(folder.path, { base, worker: dyingOver(3) });
    const outcomes: string[] = [];
    for (let i = 0; i < 9; i++) {
      await inspector.judge(plate('good', i)).then(
        (judged) => outcomes.push(judged.version),
        (error) => outcomes.push(error.code),
      );
    }
    // Each thread ends at its third image; two judged ones in between prevent a permanent stop.
    const round = [version, version, 'inference-stopped'];
    expect(outcomes).toEqual([...round, ...round, ...round]);
    expect(inspector.notices[0]).toContain('killed by the test; restarting it');
  });

  test('the kept heads continue to judge in the new one', async () => {
    await using folder = await tempFolder();
    const { base, version } = await tinyStore(folder.path);
    await using inspector = await open(folder.path, { base, worker: dyingOver(2) });
    await inspector.keepHead(version);
    await inspector.judge(plate('good', 1), { head: version });
    await expect(inspector.judge(plate('good', 2), { head: version })).rejects.toMatchObject({
      code: 'inference-stopped',
    });
    expect((await inspector.judge(plate('good', 3), { head: version })).version).toBe(version);
  });

  test('a new one that cannot load its heads is ended before the next is started', async () => {
    await using folder = await tempFolder();
    const { base, version } = await tinyStore(folder.path);
    process.env.QC_TEST_THREADS = join(folder.path, 'threads');
    const threads = async () => (await readFile(process.env.QC_TEST_THREADS!, 'utf8')).trim().split('\n');
    {
      const worker = new URL('./no-head-worker.js', import.meta.url);
      process.env.QC_TEST_DIE_AT = '2';
      const model = modelSchema.parse({ base, provider: 'cpu', threads: 1 });
      await using inspector = await open(folder.path, { model, worker });
      await inspector.judge(plate('good', 1));
      await expect(inspector.judge(plate('good', 2))).rejects.toMatchObject({ code: 'inference-stopped' });
      expect((await inspector.judge(plate('good', 3))).version).toBe(version);
      expect(inspector.notices[1]).toContain('onnxruntime refuses the head');
      expect(await threads()).toEqual(['began', 'ended', 'began', 'ended', 'began']);
    }
    expect(await threads()).toEqual(['began', 'ended', 'began', 'ended', 'began', 'ended']);
  });

  test('heads do not judge on a base that was replaced under the same name', async () => {
    await using folder = await tempFolder();
    await installTiny(folder.path, 'one');
    const model = modelSchema.parse({ base: 'one', provider: 'cpu', threads: 1 });
    {
      await using inspector = await open(folder.path, { model });
      await storeHead(folder.path, inspector.manifest, inspector.features);
    }
    await using inspector = await open(folder.path, { model, worker: dyingOver(2) });
    await inspector.judge(plate('good', 1));
    await installTiny(folder.path, 'one', tinyClassifier(2));
    for (let i = 0; i < 3; i++) {
      await expect(inspector.judge(plate('good', 2))).rejects.toMatchObject({ code: 'inference-stopped' });
    }
    expect(inspector.fault).toContain('the base one was replaced while it was in use, 4 times in a row');
  });

  test('one that ends at every image is not restarted again, which is reported', async () => {
    await using folder = await tempFolder();
    const { base } = await tinyStore(folder.path);
    await using inspector = await open(folder.path, { base, worker: dyingOver(1) });
    for (let i = 0; i < 6; i++) {
      await expect(inspector.judge(plate('good', i))).rejects.toMatchObject({ code: 'inference-stopped' });
    }
    expect(inspector.notices).toHaveLength(4);
    expect(inspector.notices[3]).toContain('4 times in a row');
    expect(inspector.fault).toContain('4 times in a row');
  });

  afterEach(() => {
    delete process.env.QC_TEST_DIE_AT;
    delete process.env.QC_TEST_THREADS;
  });

  function dyingOver(picture: number): URL {
    process.env.QC_TEST_DIE_AT = String(picture);
    return new URL('./dying-worker.js', import.meta.url);
  }
});
