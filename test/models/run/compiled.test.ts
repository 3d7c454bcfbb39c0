import { existsSync, readFileSync } from 'node:fs';
import {
  appendFile,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rm,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCompiled } from '../../../models/run/compiled.ts';
import { openSession } from '../../../models/run/session.ts';
import { type InferenceWorker, openWorker } from '../../../models/run/worker.ts';
import { formulaImage } from '../formula-image.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyClassifier, writeTiny } from '../tiny-model.ts';

/** Replaces onnxruntime: writes files and counts its calls. */
function compiler() {
  const made: string[] = [];
  return {
    made,
    async compile(graph: string, weights: string) {
      made.push(graph);
      await writeFile(graph, 'graph');
      await writeFile(join(graph, '..', weights), 'weights');
    },
  };
}

describe('the files of a compiled graph', () => {
  test('are made once, found again, and made again if one of them is damaged or missing', async () => {
    await using folder = await tempFolder();
    const { made, compile } = compiler();
    const graph = await openCompiled(folder.path, ['base', '1.30'], compile);
    expect(await openCompiled(folder.path, ['base', '1.30'], compile)).toBe(graph);
    expect(made).toHaveLength(1);

    await appendFile(join(graph, '..', 'weights.bin'), '!');
    expect(await openCompiled(folder.path, ['base', '1.30'], compile)).toBe(graph);
    expect(made).toHaveLength(2);
    await writeFile(join(graph, '..', 'compiled.json'), '{}');
    await openCompiled(folder.path, ['base', '1.30'], compile);
    expect(made).toHaveLength(3);
    expect(await readdir(folder.path)).toHaveLength(1);
  });

  test('differ for another base or runtime; the least used and those of ended processes are deleted', async () => {
    await using folder = await tempFolder();
    const { compile } = compiler();
    const dead = join(folder.path, 'abc.draft-1-0');
    await mkdir(dead);
    await utimes(dead, 0, 0);
    const graphs = new Set<string>();
    for (const version of ['1', '2', '3', '4', '5', '6']) {
      graphs.add(await openCompiled(folder.path, ['base', version], compile));
    }
    expect(graphs.size).toBe(6);
    const left = await readdir(folder.path);
    expect(left).toHaveLength(4);
    expect([...graphs].at(-1)).toContain(left.find((name) => [...graphs].at(-1)!.includes(name)));
  });

  test('do not remain incomplete after a failure', async () => {
    await using folder = await tempFolder();
    const failing = openCompiled(folder.path, ['base'], async (graph) => {
      await writeFile(graph, 'half');
      throw new Error('no space left');
    });
    await expect(failing).rejects.toThrow('no space left');
    expect(await readdir(folder.path)).toEqual([]);
  });
});

describe('a session', () => {
  const on = { precision: 'auto', provider: 'cpu', threads: 0 } as const;

  test('gives bit-identical features from the compiled graph and from the base, immediately and later', async () => {
    await using folder = await tempFolder();
    const image = formulaImage(224, 224);
    const storageDirectory = folder.path;
    const cache = join(storageDirectory, 'cache');
    for (const base of ['resnet50-embedded', await writeTiny(folder.path)]) {
      await using plain = await openSession({ ...on, base });
      const expected = await plain.features(image);
      for (const round of ['made', 'found']) {
        await using session = await openSession({ ...on, base, storageDirectory });
        expect(session.facts.why, round).toEqual([]);
        expect(await session.features(image), round).toEqual(expected);
      }
    }
    expect(await readdir(cache)).toHaveLength(2);
  });

  test('maps the weights of the compiled graph from their file, once for all of its threads', async (context) => {
    if (!existsSync('/proc/self/maps')) context.skip('only on Linux');
    await using folder = await tempFolder();
    await using session = await openSession({
      ...on,
      base: 'resnet50-embedded',
      storageDirectory: folder.path,
    });
    expect(session.facts.why).toEqual([]);
    const mapped = readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .filter((line) => line.includes(folder.path));
    expect(mapped.length).toBeGreaterThan(0);
    expect(mapped.every((line) => line.endsWith('weights.bin'))).toBe(true);
  });

  test('in 8 bits a single image and simultaneous images have the same features', async () => {
    await using folder = await tempFolder();
    // Only the manifest states 8 bits, on which the distribution of images depends.
    const base = await writeTiny(folder.path, { precision: 'int8' });
    await using session = await openSession({ ...on, base, storageDirectory: folder.path });
    const images = Array.from({ length: 8 }, (_, n) => formulaImage(32 + n, 40));
    const together = await Promise.all(images.map((image) => session.features(image)));
    for (const [n, image] of images.entries()) expect(await session.features(image)).toEqual(together[n]);
    expect(session.facts).toMatchObject({ precision: 'int8', why: [] });
  });

  test('uses the new base after a change, although the cache has the old one', async () => {
    await using folder = await tempFolder();
    const storageDirectory = folder.path;
    const image = formulaImage(32, 32);
    const featuresOf = async (base: string) => {
      await using session = await openSession({ ...on, base, storageDirectory });
      return session.features(image);
    };
    const before = await featuresOf(await writeTiny(folder.path));
    const after = await featuresOf(await writeTiny(folder.path, {}, tinyClassifier(2)));
    expect(after).not.toEqual(before);
  });

  test('runs without a compiled graph if none can be stored, and reports the reason', async () => {
    await using folder = await tempFolder();
    const base = await writeTiny(folder.path);
    const storageDirectory = join(folder.path, 'a-file');
    await writeFile(storageDirectory, '');
    await using session = await openSession({ ...on, base, storageDirectory });
    expect(session.facts.why).toEqual([expect.stringMatching(/^a compiled graph: .*a-file/)]);
    expect((await session.features(formulaImage(32, 32))).length).toBe(session.facts.manifest.features.size);
  });

  test('opens another thread from the checked graph alone, and from the whole base if that graph is invalid', async () => {
    await using folder = await tempFolder();
    const request = { ...on, base: await writeTiny(folder.path), storageDirectory: folder.path };
    await using first = await openWorker(request);
    const { compiled } = first;
    const image = formulaImage(32, 32);
    const featuresOf = async (worker: InferenceWorker) =>
      (await worker.run([{ kind: 'features', image }], false)).outcomes;
    const expected = await featuresOf(first);

    const base = await readFile(request.base);
    await rm(request.base);
    {
      await using second = await openWorker({ ...request, compiled });
      expect(await featuresOf(second)).toEqual(expected);
    }
    await truncate(compiled!.graph, 100);
    await expect(openWorker({ ...request, compiled })).rejects.toMatchObject({ code: 'model-missing' });
    await writeFile(request.base, base);
    await using third = await openWorker({ ...request, compiled });
    expect(await featuresOf(third)).toEqual(expected);

    // An intact graph of another base.
    const { graph } = third.compiled!;
    const other = join(folder.path, 'other');
    await mkdir(other);
    await using stranger = await openWorker({
      ...request,
      base: await writeTiny(other, {}, tinyClassifier(2)),
    });
    await copyFile(stranger.compiled!.graph, graph);
    await using fourth = await openWorker({ ...request, compiled });
    expect(await featuresOf(fourth)).toEqual(expected);
  });
});
