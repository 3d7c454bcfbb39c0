import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { QcError } from '../../../config/errors.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { openBase } from '../../../models/base.ts';
import { misfitOf } from '../../../models/head.ts';
import { openInspector } from '../../../models/inspector.ts';
import { decide } from '../../../models/verdict.ts';
import { baseForIn, requireInstalled, withBaseInUse } from '../../../models/versions/pair.ts';
import { promoteVersion, rollbackVersion } from '../../../models/versions/promote.ts';
import { openStore } from '../../../models/versions/store.ts';
import { installTiny } from '../../rigs/bases.ts';
import { plate, storeHead } from '../fitted-head.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyClassifier } from '../tiny-model.ts';

const configFor = (storage: string, base: string) => ({
  model: modelSchema.parse({ base, provider: 'cpu', threads: 1 }),
  storage: storageSchema.parse({ directory: storage }),
});

const open = (storage: string, base: string, notices: string[] = []) =>
  openInspector({
    model: configFor(storage, base).model,
    storageDirectory: storage,
    onNotice: (text) => notices.push(text),
  });

/** Bases `one` and `two`, a head on each; that on `one` is active. */
async function twoPairs(storage: string) {
  await installTiny(storage, 'one');
  await installTiny(storage, 'two', tinyClassifier(2));
  const add = async (base: string, promote: boolean) => {
    await using inspector = await open(storage, base);
    return await storeHead(storage, inspector.manifest, inspector.features, { promote });
  };
  return { first: await add('one', true), second: await add('two', false) };
}

const fits = async (storage: string, base: string) => {
  const store = await openStore(storage);
  const { model } = configFor(storage, base);
  const inUse = await openBase({ ...(await withBaseInUse(model, storage)), storageDirectory: storage });
  const { manifest } = await store.read((await store.active())!);
  return misfitOf(manifest, inUse.manifest) === undefined ? inUse.manifest.name : undefined;
};

describe('a version and its base', () => {
  it('are promoted and rolled back together', async () => {
    await using folder = await tempFolder();
    const { first, second } = await twoPairs(folder.path);
    const config = configFor(folder.path, 'one');
    expect(await withBaseInUse(config.model, folder.path)).toEqual(config.model);

    await promoteVersion(config, second, { by: 'test' });
    expect(JSON.parse(await readFile(join(folder.path, 'models', 'active'), 'utf8'))).toMatchObject({
      active: second,
      history: [first],
      base: { name: 'two', insteadOf: 'one' },
    });
    {
      await using inspector = await open(folder.path, 'one');
      expect(inspector.model).toMatchObject({ version: second, base: 'two' });
      expect(inspector.misfit()).toBeUndefined();
    }
    await expect(requireInstalled('two', config.model, folder.path)).rejects.toMatchObject({
      code: 'base-in-use',
    });

    await rollbackVersion(config, { by: 'test' });
    await using inspector = await open(folder.path, 'one');
    expect(inspector.model).toMatchObject({ version: first, base: 'one' });
  });

  it('are separated when model.base is changed: the config decides, and the head does not judge', async () => {
    await using folder = await tempFolder();
    const { second } = await twoPairs(folder.path);
    await installTiny(folder.path, 'three', tinyClassifier(3));
    await promoteVersion(configFor(folder.path, 'one'), second, { by: 'test' });
    const notices: string[] = [];
    await using inspector = await open(folder.path, 'three', notices);
    expect(inspector.model).toMatchObject({ version: 'none', base: 'three' });
    expect(inspector.misfit()?.message).toContain('was trained on the base two');
    // The config may also name the new base.
    expect(await fits(folder.path, 'two')).toBe('two');
  });

  it('give way to the pair before them if the head is damaged', async () => {
    await using folder = await tempFolder();
    const { first, second } = await twoPairs(folder.path);
    await promoteVersion(configFor(folder.path, 'one'), second, { by: 'test' });
    await writeFile(join(folder.path, 'models', second, 'head.onnx'), 'damaged');
    const notices: string[] = [];
    await using inspector = await open(folder.path, 'one', notices);
    expect(inspector.model).toMatchObject({ version: first, base: 'one' });
    expect(notices).toEqual([expect.stringContaining(`judging with version ${first} instead`)]);
  });

  it('can be promoted again after model.base was changed, which records the base', async () => {
    await using folder = await tempFolder();
    const { first } = await twoPairs(folder.path);
    const config = configFor(folder.path, 'two');
    expect(await fits(folder.path, 'two')).toBeUndefined();
    await promoteVersion(config, first, { by: 'test' });
    expect(await fits(folder.path, 'two')).toBe('one');
    const store = await openStore(folder.path);
    expect([await store.active(), await store.history()]).toEqual([first, []]);
    const record = await store.record();
    await promoteVersion(config, first, { by: 'test' });
    expect(await store.record()).toBe(record);
  });

  it('are refused if the base is not installed, and nothing changes', async () => {
    await using folder = await tempFolder();
    await using elsewhere = await tempFolder();
    const { first } = await twoPairs(folder.path);
    await installTiny(elsewhere.path, 'far', tinyClassifier(4));
    await using far = await open(elsewhere.path, 'far');
    const foreign = await storeHead(folder.path, far.manifest, far.features, { promote: false });
    await expect(
      promoteVersion(configFor(folder.path, 'one'), foreign, { by: 'test' }),
    ).rejects.toMatchObject({ code: 'head-base-mismatch' });
    expect(await (await openStore(folder.path)).active()).toBe(first);
  });
});

describe('on a running line', () => {
  it('two bases are open together only if the memory allows it, and it is reported for each', async () => {
    await using folder = await tempFolder();
    const { first, second } = await twoPairs(folder.path);
    const openWith = (maxMemoryMb: number) =>
      openInspector({
        model: { ...configFor(folder.path, 'one').model, maxMemoryMb },
        storageDirectory: folder.path,
        onNotice: () => undefined,
      });
    {
      await using inspector = await openWith(150);
      const refused = {
        code: 'model-too-large',
        message: expect.stringMatching(
          /^the base two needs about \d+ MB of memory .*, and the bases that are open need \d+ MB; 150 MB are allowed$/,
        ),
      };
      await expect(inspector.useShadow(second)).rejects.toMatchObject(refused);
      await expect(inspector.swapHead(second)).rejects.toMatchObject(refused);
      expect(inspector.memory.map(({ base }) => base)).toEqual(['one']);
      expect(await inspector.judge(plate('good', 1))).toMatchObject({ version: first });
    }
    await using inspector = await openWith(300);
    await inspector.useShadow(second);
    expect(inspector.memory.map(({ base }) => base)).toEqual(['one', 'two']);
    await inspector.useShadow(undefined);
    expect(inspector.memory.map(({ base }) => base)).toEqual(['one']);
  });

  it('every image is judged once, by a head on its own base, while both are replaced', async () => {
    await using folder = await tempFolder();
    const { first, second } = await twoPairs(folder.path);
    await using inspector = await open(folder.path, 'one');
    const store = await openStore(folder.path);
    const baseFor = baseForIn(configFor(folder.path, 'one').model, folder.path);
    const seen = new Set<string>();
    let isOver = false;
    const line = Array.from({ length: 3 }, async () => {
      let count = 0;
      for (; !isOver; count++) {
        const { version, base } = await inspector.judge(plate('scratch', count));
        seen.add(`${version} on ${base}`);
      }
      return count;
    });
    for (const version of [second, first, second]) {
      await store.promote(version, baseFor);
      await inspector.swapHead(version);
      const asked = await inspector.judge(plate('good', 1));
      expect(asked.version).toBe(version);
    }
    isOver = true;
    for (const judged of await Promise.all(line)) expect(judged).toBeGreaterThan(3);
    expect([...seen].sort()).toEqual([`${first} on one`, `${second} on two`]);
    expect(inspector.model).toMatchObject({ version: second, base: 'two' });
    expect(inspector.manifest.name).toBe('two');
  });

  it('parts that the head of a recipe has judged are decided by its rules, also after its base was replaced', async () => {
    await using folder = await tempFolder();
    const { first, second } = await twoPairs(folder.path);
    const recipe = await (async () => {
      await using inspector = await open(folder.path, 'one');
      const { manifest, features } = inspector;
      return await storeHead(folder.path, manifest, features, { promote: false, familiar: 0.9 });
    })();
    await using inspector = await open(folder.path, 'one');
    await inspector.keepHead(recipe);
    const judged = inspector.judge(plate('good', 1), { head: recipe });
    await inspector.swapHead(second);
    expect(await judged).toMatchObject({ version: recipe, base: 'one' });
    expect(inspector.misfit(recipe)?.code).toBe('head-base-mismatch');
    expect(inspector.rulesOf(recipe)).toMatchObject({ familiar: 0.9, labels: ['good', 'scratch'] });
    expect(inspector.rulesOf(first)).toMatchObject({ labels: ['good', 'scratch'] });
    expect(inspector.rulesOf('none')).toEqual({});
    // Without rules nothing may pass.
    const rules = {
      ...inspector.rulesOf('2020-01-01.1'),
      thresholds: { pass: 0.7, fail: 0.6 },
      good: ['good'],
    };
    expect(decide([{ good: 1, scratch: 0 }], rules, [1]).verdict).toBe('uncertain');
  });

  it('promotions that are refused leave the rules of the active version', async () => {
    await using folder = await tempFolder();
    await installTiny(folder.path, 'one');
    await installTiny(folder.path, 'two', tinyClassifier(2));
    const add = async (base: string, promote: boolean, familiar?: number) => {
      await using inspector = await open(folder.path, base);
      return await storeHead(folder.path, inspector.manifest, inspector.features, {
        promote,
        ...(familiar !== undefined && { familiar }),
      });
    };
    const active = await add('one', true, 0.9);
    const refused = [await add('two', false), await add('two', false)];
    await using inspector = await open(folder.path, 'one');
    await writeFile(join(folder.path, 'bases', 'two.onnx'), 'damaged');
    for (const version of [...refused, ...refused, ...refused]) {
      await expect(inspector.swapHead(version)).rejects.toMatchObject({ code: 'model-damaged' });
    }
    expect(inspector.rulesOf(active)).toMatchObject({ familiar: 0.9 });
    expect(await inspector.judge(plate('good', 1))).toMatchObject({ version: active, base: 'one' });
  });

  it('heads and bases that are changed at the same time match', async () => {
    await using folder = await tempFolder();
    const { first, second } = await twoPairs(folder.path);
    await using inspector = await open(folder.path, 'one');
    const changes = [
      inspector.swapHead(second),
      inspector.keepHead(first).catch((error: QcError) => error.code),
      inspector.useShadow(first),
    ];
    expect(await Promise.all(changes)).toEqual([undefined, 'head-base-mismatch', undefined]);
    expect(inspector.misfit(first)?.code).toBe('head-base-mismatch');
    await inspector.judge(plate('good', 1));
    const judged = await inspector.judge(plate('good', 2));
    expect(judged).toMatchObject({ version: second, base: 'two', shadow: { version: first } });
  });

  it('stops while another base is opened, without leaving its threads', async () => {
    await using folder = await tempFolder();
    const { second } = await twoPairs(folder.path);
    const inspector = await open(folder.path, 'one');
    const swapped = expect(inspector.swapHead(second)).rejects.toMatchObject({ code: 'inference-stopped' });
    await inspector[Symbol.asyncDispose]();
    await swapped;
    await expect(inspector.judge(plate('good', 1))).rejects.toMatchObject({ code: 'inference-stopped' });
  });

  it('a candidate on another base judges in the shadow without effect on results', async () => {
    await using folder = await tempFolder();
    const { first, second } = await twoPairs(folder.path);
    await using inspector = await open(folder.path, 'one');
    await inspector.useShadow(second);
    await inspector.judge(plate('good', 1));
    const judged = await inspector.judge(plate('scratch', 7));
    expect(judged).toMatchObject({ version: first, base: 'one', shadow: { version: second } });
    expect(Object.keys(judged.shadow!.probabilities)).toEqual(['good', 'scratch']);
    await inspector.useShadow(undefined);
    expect((await inspector.judge(plate('scratch', 8))).shadow).toBeUndefined();
    // A promoted candidate no longer judges in the shadow.
    await inspector.useShadow(second);
    await inspector.swapHead(second);
    const after = await inspector.judge(plate('scratch', 9));
    expect(after).toMatchObject({ version: second, base: 'two' });
    expect(after.shadow).toBeUndefined();
  });
});

it('a kill at any moment of promoting and rolling back leaves a matching pair', async () => {
  await using folder = await tempFolder();
  const { second } = await twoPairs(folder.path);
  const script = fileURLToPath(new URL('./switching.js', import.meta.url));
  const found = new Set<string>();
  for (let round = 0; round < 12; round++) {
    const child = fork(script, [folder.path, 'one', second], { execArgv: [] });
    await once(child, 'message');
    await sleep(3 + 7 * round);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const base = await fits(folder.path, 'one');
    expect(base).toBeDefined();
    found.add(base!);
  }
  expect([...found].sort()).toEqual(['one', 'two']);
}, 30_000);
