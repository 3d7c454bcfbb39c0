/** The bases of a station: those of this package, and those in its storage directory. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { embeddedBases } from '../base.ts';
import { basesIn } from '../disk/layout.ts';
import { type BaseManifest, readBaseManifest } from '../manifest.ts';

/** Sorted by name, without variants and unreadable manifests. */
export async function installedBases(storageDirectory: string): Promise<BaseManifest[]> {
  const found: BaseManifest[] = [];
  for (const folder of [embeddedBases, basesIn(storageDirectory)]) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter((one) => one.endsWith('.json')).sort()) {
      const manifest = await readBaseManifest(join(folder, name)).catch(() => undefined);
      if (manifest && manifest.variantOf === undefined) found.push(manifest);
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}
