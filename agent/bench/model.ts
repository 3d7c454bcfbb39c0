/** Provides the model to measure, the user's or the demo's, as a copy that leaves the user's files unchanged. */
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { quantize } from '../../calibration/quantize.ts';
import type { Config, ModelConfig } from '../../config/schema.ts';
import { openBase } from '../../models/base.ts';
import { basesIn, requireReadable } from '../../models/disk/layout.ts';
import { withBaseInUse } from '../../models/versions/pair.ts';
import { type ActiveBase, openStore } from '../../models/versions/store.ts';
import { fitsBase, shippedHead } from '../demo/head.ts';
import { drawSamples, samplesPerRound } from '../demo/samples.ts';

/** Copies the active head and the variants of the base from the user's storage, which is only read. */
export async function copyModel(
  { model, storage }: Pick<Config, 'model' | 'storage'>,
  target: string,
): Promise<void> {
  await requireReadable(storage.directory);
  const storageDirectory = storage.directory;
  const own = await openStore(storageDirectory);
  const active = await own.active();
  if (active !== undefined)
    await keepHead(target, join(storageDirectory, 'models', active), await own.activeBase());
  const from = basesIn(storageDirectory);
  const { base } = await withBaseInUse(model, storageDirectory);
  const { manifest } = await openBase({ base, precision: 'auto', storageDirectory });
  const names = await readdir(from).catch(() => []);
  await mkdir(basesIn(target), { recursive: true });
  for (const name of names.filter((one) => one.startsWith(`${manifest.name}.`))) {
    await cp(join(from, name), join(basesIn(target), name));
  }
}

/** Uses the head of the package if it fits the base. */
export async function useDemoHead({ base }: ModelConfig, target: string): Promise<void> {
  if (await fitsBase(shippedHead, base)) await keepHead(target, shippedHead);
}

async function keepHead(target: string, folder: string, base?: ActiveBase): Promise<void> {
  const store = await openStore(target);
  await store.promote(await store.add(folder), async () => base);
}

export interface EightBitsDeps {
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Makes an int8 variant from simulated parts, for the measurement only. */
export async function makeEightBits(
  config: Pick<Config, 'model' | 'labels' | 'thresholds'>,
  target: string,
  deps: EightBitsDeps,
): Promise<void> {
  const frames = 6 * samplesPerRound;
  const drawn = (count: number) => drawSamples({ perLabel: Math.ceil(count / samplesPerRound), seed: 1 });
  await quantize(
    { ...config, storage: { directory: target } as Config['storage'] },
    { frames },
    { ...deps, drawn },
  );
}
