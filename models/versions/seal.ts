/** Adds a checksum to manifests that an earlier version or a person wrote without one. */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { writeDurably } from '../disk/durable.ts';
import { basesIn } from '../disk/layout.ts';
import { manifestText, readBaseManifest } from '../manifest.ts';
import { openStore } from './store.ts';

/** @returns the files that were given a checksum; damaged ones are unchanged */
export async function sealManifests({
  model,
  storage,
}: Pick<Config, 'model' | 'storage'>): Promise<string[]> {
  const files = await (await openStore(storage.directory)).seal();
  const folder = basesIn(storage.directory);
  const pulled = await readdir(folder).catch((): string[] => []);
  const manifests = pulled.filter((name) => name.endsWith('.json') && !name.endsWith('.report.json'));
  const own = model.base.endsWith('.onnx') ? [resolve(model.base).replace(/\.onnx$/, '.json')] : [];
  for (const file of [...own, ...manifests.map((name) => join(folder, name))]) {
    if (await sealBase(file)) files.push(file);
  }
  return files;
}

async function sealBase(file: string): Promise<boolean> {
  const manifest = await readBaseManifest(file).catch(() => undefined);
  if (manifest?.schema !== 1) return false;
  // Keeps what a person wrote: defaults are not added.
  const written = JSON.parse(await readFile(file, 'utf8'));
  await writeDurably(file, manifestText(written));
  return true;
}
