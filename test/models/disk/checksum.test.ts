/** Files that affect decisions: all damage that would change a decision is detected. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { shippedHead } from '../../../agent/demo/head.ts';
import { openBook } from '../../../agent/recipes/book.ts';
import { openRecipeInForce } from '../../../agent/recipes/in-force.ts';
import { QcError } from '../../../config/errors.ts';
import { configSchema } from '../../../config/schema.ts';
import { embeddedBases } from '../../../models/base.ts';
import {
  type HeadManifest,
  manifestText,
  readBaseManifest,
  readHeadManifest,
} from '../../../models/manifest.ts';
import { sealManifests } from '../../../models/versions/seal.ts';
import { openStore } from '../../../models/versions/store.ts';
import { tempFolder } from '../temp-folder.ts';

interface Decisive {
  /** Writes the file and returns its path. */
  readonly write: (folder: string) => Promise<string>;
  /** The decision that depends on it. */
  readonly read: (folder: string, file: string) => Promise<unknown>;
}

const withThresholds = async (): Promise<HeadManifest> => ({
  ...(await readHeadManifest(join(shippedHead, 'manifest.json'))),
  thresholds: { pass: 0.8, fail: 0.6, failByLabel: { crack: 0.35 } },
  familiar: 0.87,
});

const book = openBook(
  configSchema.parse({
    station: 's',
    cameras: { top: { url: 'rtsp://h/a' } },
    recipes: { bolt1: {}, bolt3: {}, bolt5: {} },
  }),
);
const recipesIn = (storageDirectory: string) => openRecipeInForce(book, storageDirectory);

const decisive: Record<string, Decisive> = {
  'manifest of a head': {
    async write(folder) {
      await writeFile(join(folder, 'manifest.json'), manifestText(await withThresholds()));
      return join(folder, 'manifest.json');
    },
    read: (_, file) => readHeadManifest(file),
  },
  'manifest of a base': {
    async write(folder) {
      const { check, ...manifest } = await readBaseManifest(join(embeddedBases, 'resnet50-embedded.json'));
      await writeFile(join(folder, 'base.json'), manifestText(manifest));
      return join(folder, 'base.json');
    },
    read: (_, file) => readBaseManifest(file),
  },
  'record of the active version': {
    async write(folder) {
      const store = await openStore(folder);
      for (let n = 0; n < 3; n++) await store.promote(await store.add(shippedHead));
      return join(folder, 'models', 'active');
    },
    async read(folder) {
      const store = await openStore(folder);
      return [await store.active(), await store.history()];
    },
  },
  'record of the active recipe': {
    async write(folder) {
      await (await recipesIn(folder)).record('bolt3');
      return join(folder, 'recipe.json');
    },
    read: async (folder) => (await recipesIn(folder)).active,
  },
};

/** Timeout, ms: thousands of files are written and read. */
const patience = 120_000;

test.each(Object.entries(decisive))(
  'any changed bit is refused or changes nothing: %s',
  async (_, { write, read }) => {
    await using folder = await tempFolder();
    const file = await write(folder.path);
    const intact = await readFile(file);
    const before = await read(folder.path, file);
    let refused = 0;
    for (let bit = 0; bit < 8 * intact.length; bit++) {
      const damaged = Buffer.from(intact);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(file, damaged);
      const after = await read(folder.path, file).catch((error: unknown) => {
        expect(error, `bit ${bit}`).toBeInstanceOf(QcError);
        expect((error as QcError).message).toContain(file);
        refused++;
        return before;
      });
      expect(after, `bit ${bit}`).toEqual(before);
    }
    expect(refused).toBeGreaterThan(7 * intact.length);
  },
  patience,
);

/** In the format of a version without checksums. */
const unsealedText = (manifest: HeadManifest) => `${JSON.stringify({ ...manifest, schema: 1 }, null, 2)}\n`;

test('a missing checksum is damage, not an earlier version', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'manifest.json');
  const { checksum: _, ...without } = JSON.parse(manifestText(await withThresholds()));
  for (const schema of [2, 3, '1', null, undefined]) {
    await writeFile(file, JSON.stringify({ ...without, schema }));
    await expect(readHeadManifest(file)).rejects.toMatchObject({ code: 'model-damaged' });
  }
  await writeFile(file, unsealedText(without));
  expect((await readHeadManifest(file)).schema).toBe(1);
});

test('files of an earlier version are read, and get a checksum by a command', async () => {
  await using folder = await tempFolder();
  const store = await openStore(folder.path);
  const version = await store.add(shippedHead);
  const manifestFile = join(folder.path, 'models', version, 'manifest.json');
  await writeFile(manifestFile, unsealedText({ ...(await withThresholds()), version }));
  await writeFile(
    join(folder.path, 'models', 'active'),
    JSON.stringify({ schema: 1, active: version, history: [] }),
  );
  await mkdir(join(folder.path, 'bases'));
  const baseFile = join(folder.path, 'bases', 'other.json');
  const base = await readBaseManifest(join(embeddedBases, 'resnet50-embedded.json'));
  await writeFile(baseFile, JSON.stringify({ ...base, name: 'other', schema: 1 }));

  const before = (await store.read(version)).manifest;
  const config = configSchema.parse({
    station: 's',
    cameras: { top: { url: 'rtsp://h/a' } },
    storage: { directory: folder.path },
  });
  const files = [manifestFile, join(folder.path, 'models', 'active'), baseFile];
  expect(await sealManifests(config)).toEqual(files);
  expect(await sealManifests(config)).toEqual([]);
  for (const file of files) expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ schema: 2 });
  expect((await store.read(version)).manifest).toEqual({ ...before, schema: 2 });
  expect(await store.active()).toBe(version);
});

test('a changed threshold is refused with a remedy, and a rollback to the previous version is possible', async () => {
  await using folder = await tempFolder();
  const store = await openStore(folder.path);
  const [good, bad] = [await store.add(shippedHead), await store.add(shippedHead)];
  await store.promote(good);
  await store.promote(bad);
  const file = join(folder.path, 'models', bad, 'manifest.json');
  await writeFile(file, manifestText({ ...(await withThresholds()), version: bad }).replace('0.35', '0.95'));
  await expect(store.read(bad)).rejects.toMatchObject({
    code: 'head-damaged',
    message: expect.stringMatching(/manifest\.json does not match its checksum/),
    remedy: expect.stringMatching(/promote another version/),
  });
  expect(await store.rollback()).toBe(good);
});
