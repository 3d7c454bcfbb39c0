/** Lists the installed bases with the figures for choosing one. */
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelConfig } from '../../config/schema.ts';
import { embeddedBases, openBase } from '../../models/base.ts';
import { basesIn } from '../../models/disk/layout.ts';
import { installedBases } from '../../models/hubs/installed.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import { splitSize } from '../../models/sized.ts';
import { withBaseInUse } from '../../models/versions/pair.ts';
import type { BaseView } from './views.ts';

/** The base in use first, even if it is a file elsewhere; the others by name. @throws QcError model-… of the base in use */
export async function listBases(
  model: Pick<ModelConfig, 'base' | 'precision'>,
  storageDirectory: string,
): Promise<BaseView[]> {
  const inUse = await withBaseInUse(model, storageDirectory);
  const used = await openBase({ ...inUse, precision: 'auto', storageDirectory });
  const viewOf = async (manifest: BaseManifest): Promise<BaseView> => {
    const { name, licence, origin, network = null, cost = null, features, input, sha256 } = manifest;
    const isUsed = sha256 === used.manifest.sha256;
    const paths = [embeddedBases, basesIn(storageDirectory)].map((folder) => join(folder, manifest.file));
    return {
      name,
      inUse: isUsed,
      isEmbedded: await exists(paths[0]!),
      licence,
      origin,
      network,
      cost,
      features: features.size,
      width: input.width,
      height: input.height,
      megabytes: await megabytesOf(isUsed ? [used.file] : paths),
      int8: await exists(join(basesIn(storageDirectory), `${splitSize(name).plain}.int8.json`)),
    };
  };
  const others = (await installedBases(storageDirectory)).filter(
    ({ sha256 }) => sha256 !== used.manifest.sha256,
  );
  return Promise.all([used.manifest, ...others].map(viewOf));
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function megabytesOf(paths: readonly string[]): Promise<number | null> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found) return Number((found.size / 1e6).toFixed(1));
  }
  return null;
}
