/** `qc-agent models seal`: gives what an earlier version or a person wrote a checksum. */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import { basesIn } from '../../models/disk/layout.ts';
import { manifestText, readBaseManifest } from '../../models/manifest.ts';
import { openStore } from '../../models/versions/store.ts';
import type { CommandAnswer } from './models-commands.ts';

/** Damaged files are left as they are. */
export async function modelsSealCommand({
  model,
  storage,
}: Pick<Config, 'model' | 'storage'>): Promise<CommandAnswer> {
  const files = await (await openStore(storage.directory)).seal();
  const folder = basesIn(storage.directory);
  const pulled = await readdir(folder).catch((): string[] => []);
  const manifests = pulled.filter((name) => name.endsWith('.json') && !name.endsWith('.report.json'));
  const own = model.base.endsWith('.onnx') ? [resolve(model.base).replace(/\.onnx$/, '.json')] : [];
  for (const file of [...own, ...manifests.map((name) => join(folder, name))]) {
    if (await sealBase(file)) files.push(file);
  }
  const text =
    files.length > 0
      ? files.map((file) => `${file}: checksum added`).join('\n')
      : 'every file has its checksum';
  return { text, json: { sealed: files } };
}

async function sealBase(file: string): Promise<boolean> {
  const manifest = await readBaseManifest(file).catch(() => undefined);
  if (manifest?.schema !== 1) return false;
  // What a person wrote stays as it is, defaults that are not in it included.
  const written = JSON.parse(await readFile(file, 'utf8'));
  await writeDurably(file, manifestText(written));
  return true;
}
