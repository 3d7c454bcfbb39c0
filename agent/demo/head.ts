/** The demo's head: trained on simulated parts with the current base, and kept until the base changes. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fitRidge } from '../../calibration/train/ridge.ts';
import { writeHead } from '../../calibration/train/write-head.ts';
import { packageRoot } from '../../config/package.ts';
import type { ModelConfig } from '../../config/schema.ts';
import { embeddedBases } from '../../models/base.ts';
import { openInspector } from '../../models/inspector.ts';
import { readBaseManifest, readHeadManifest } from '../../models/manifest.ts';
import { openStore } from '../../models/versions/store.ts';
import { labels } from './part.ts';
import { drawSamples } from './samples.ts';

/** A head trained in advance, so that the first demo starts at once; made by `npm run generate`. */
export const shippedHead = join(packageRoot, 'agent/demo/head');

const samplesPerLabel = 100;
/** Different parts from those that the line shows: its seeds are small. */
const samplesSeed = 20_261_123;

export interface FitDeps {
  readonly model: ModelConfig;
  /** Called with the number of finished images and the total. */
  readonly onProgress: (done: number, total: number) => void;
}

/** Whether a head was trained on the current embedded base. */
export async function fitsBase(headFolder: string, base: string): Promise<boolean> {
  if (!existsSync(join(headFolder, 'manifest.json'))) return false;
  const head = await readHeadManifest(join(headFolder, 'manifest.json'));
  const { sha256 } = await readBaseManifest(join(embeddedBases, `${base}.json`));
  return head.base.sha256 === sha256;
}

/** Activates a head that fits the base; trains a new one (about a minute) only if there is none. */
export async function provideDemoHead(storageDirectory: string, deps: FitDeps): Promise<void> {
  const store = await openStore(storageDirectory);
  const active = await store.active();
  const { base } = deps.model;
  if (active !== undefined && (await fitsBase(join(storageDirectory, 'models', active), base))) return;
  if (await fitsBase(shippedHead, base)) return await store.promote(await store.add(shippedHead));

  const folder = await mkdtemp(join(tmpdir(), 'qc-demo-head-'));
  try {
    await fitDemoHead(folder, deps);
    await store.promote(await store.add(folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Trains a head on simulated parts and writes it to the folder. */
export async function fitDemoHead(folder: string, { model, onProgress }: FitDeps): Promise<void> {
  const emptyStore = await mkdtemp(join(tmpdir(), 'qc-demo-fit-'));
  try {
    await using inspector = await openInspector({
      model,
      storageDirectory: emptyStore,
      onNotice: () => undefined,
    });
    const total = samplesPerLabel * (labels.length + 1);
    const features: Float32Array[] = [];
    const truths: string[] = [];
    for await (const { image, label } of drawSamples({ perLabel: samplesPerLabel, seed: samplesSeed })) {
      features.push(await inspector.features(image));
      truths.push(label);
      onProgress(features.length, total);
    }
    const head = fitRidge(features, truths);
    await writeHead(folder, head, {
      base: inspector.manifest,
      createdAt: new Date(),
      training: { method: 'ridge, closed form', pictures: total, looAccuracy: head.looAccuracy },
    });
  } finally {
    await rm(emptyStore, { recursive: true, force: true });
  }
}
