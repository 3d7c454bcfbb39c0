/** Chooses the bases to compare. */
import { stat } from 'node:fs/promises';
import { QcError } from '../../config/errors.ts';
import type { ModelConfig } from '../../config/schema.ts';
import { openBase } from '../../models/base.ts';
import { installedBases } from '../../models/hubs/installed.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import { splitSize } from '../../models/sized.ts';

/** A base that takes part. */
export interface Contender {
  /** Its name, or its path if `model.base` is one. */
  readonly reference: string;
  /** Manifest of the float variant. */
  readonly manifest: BaseManifest;
  readonly megabytes: number;
}

/** The base of this package. */
export const embedded = 'resnet50-embedded';

export interface Contenders {
  readonly inUse: Contender;
  /** Including the embedded base, unless it is in use. */
  readonly others: readonly Contender[];
  readonly failed: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * The base in use, the embedded base, and those that are named; without names, all installed ones.
 * @throws QcError model-missing for a name that is not installed; model-… if the base in use cannot be opened
 */
export async function contendersOf(
  model: Pick<ModelConfig, 'base'>,
  names: readonly string[],
  storageDirectory: string,
): Promise<Contenders> {
  const open = (base: string) => openContender(base, storageDirectory);
  const inUse = await open(model.base);
  // A fine-tuned base has seen the labels of the held-out parts.
  const installed = (await installedBases(storageDirectory)).flatMap(({ name, fineTuned }) =>
    fineTuned ? [] : [name],
  );
  const ofInUse = [inUse.manifest.name, inUse.reference].map((name) => splitSize(name).plain);
  const isKnown = (name: string) => installed.includes(name) || ofInUse.includes(name);
  const unknown = names.find((name) => !isKnown(splitSize(name).plain));
  if (unknown !== undefined) {
    throw new QcError('model-missing', `there is no base named "${unknown}"`, {
      remedy: `use one of: ${installed.join(', ')}; or import it: qc-agent models import`,
    });
  }
  const wanted = new Set([embedded, ...(names.length > 0 ? names : installed)]);
  const others: Contender[] = [];
  const failed: { name: string; reason: string }[] = [];
  for (const name of [...wanted].filter((one) => one !== inUse.manifest.name && one !== inUse.reference)) {
    try {
      others.push(await open(name));
    } catch (error) {
      failed.push({ name, reason: (error as Error).message });
    }
  }
  return { inUse, others, failed };
}

async function openContender(base: string, storageDirectory: string): Promise<Contender> {
  const { manifest, file } = await openBase({ base, precision: 'auto', storageDirectory });
  return { reference: base, manifest, megabytes: Number(((await stat(file)).size / 1e6).toFixed(1)) };
}
