/** The demo's head, made once for all whole-line tests: its training takes half a minute. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provideDemoHead } from '../../agent/demo/head.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { embeddedBases } from '../../models/base.ts';

/** vitest's `globalSetup`, which runs before the first file. */
export default async function setup(): Promise<void> {
  await madeHead();
}

/** Copies the head to a storage folder and activates it. */
export async function copyHead(storageDirectory: string): Promise<void> {
  await cp(join(await madeHead(), 'models'), join(storageDirectory, 'models'), { recursive: true });
}

/** The folder of a head for the current base, generated images and training; kept between runs. */
export async function madeHead(): Promise<string> {
  const kept = join(tmpdir(), `qc-test-head-${await fingerprint()}`);
  if (existsSync(kept)) return kept;
  const making = await mkdtemp(join(tmpdir(), 'qc-test-head-'));
  await provideDemoHead(making, { model: modelSchema.parse({}), onProgress: () => undefined });
  try {
    await rename(making, kept);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    // Another run was faster: its head is equal.
    if (!existsSync(kept)) throw error;
  }
  return kept;
}

async function fingerprint(): Promise<string> {
  const hash = createHash('sha256');
  hash.update(await readFile(join(embeddedBases, `${modelSchema.parse({}).base}.json`)));
  for (const folder of ['../../agent/demo/', '../../calibration/train/']) {
    const place = new URL(folder, import.meta.url);
    for (const name of (await readdir(place)).filter((file) => file.endsWith('.js')).sort())
      hash.update(await readFile(new URL(name, place)));
  }
  return hash.digest('hex').slice(0, 16);
}
