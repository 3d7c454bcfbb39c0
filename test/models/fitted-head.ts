/** A head trained on generated images and stored as a version, as by training. */
import { join } from 'node:path';
import { seededRandom } from '../../calibration/train/random.ts';
import { fitRidge } from '../../calibration/train/ridge.ts';
import { writeHead } from '../../calibration/train/write-head.ts';
import { hellinger } from '../../models/head.ts';
import type { Image } from '../../models/image.ts';
import type { BaseManifest, HeadManifest } from '../../models/manifest.ts';
import { openStore } from '../../models/versions/store.ts';

/** A grey plate with noise; `scratch` draws a bright line across it. */
export function plate(label: 'good' | 'scratch', seed: number, size = 64): Image {
  const { next } = seededRandom(seed);
  const data = new Uint8Array(size * size * 3);
  for (let i = 0; i < size * size; i++) data.fill(100 + Math.floor(next() * 40), i * 3, i * 3 + 3);
  if (label === 'scratch') {
    const row = 8 + Math.floor(next() * (size - 16));
    for (let y = row; y < row + 3; y++) data.fill(250, y * size * 3, (y + 1) * size * 3);
  }
  return { width: size, height: size, data };
}

/** Trains on features of such plates, adds the version, promotes it by default, and returns its name. */
export async function storeHead(
  storageDirectory: string,
  base: BaseManifest,
  features: (image: Image) => Promise<Float32Array>,
  {
    labels = ['good', 'scratch'],
    promote = true,
    training,
    familiar,
  }: {
    labels?: string[];
    promote?: boolean;
    training?: HeadManifest['training'];
    familiar?: number;
  } = {},
): Promise<string> {
  const rows: Float32Array[] = [];
  const names: string[] = [];
  for (let seed = 1; seed <= 6; seed++) {
    for (const [k, label] of (['good', 'scratch'] as const).entries()) {
      rows.push(await features(plate(label, seed)));
      names.push(labels[k]!);
    }
  }
  const store = await openStore(storageDirectory);
  const folder = join(storageDirectory, 'models', 'draft');
  const createdAt = new Date('2026-11-23T12:00:00Z');
  const facts = { ...(training && { training }), ...(familiar !== undefined && { familiar }) };
  const fitted = fitRidge(rows, names);
  const exemplars = rows.map(hellinger).map(unit);
  const head = familiar === undefined ? fitted : { ...fitted, transform: 'hellinger' as const, exemplars };
  await writeHead(folder, head, { base, createdAt, ...facts });
  const version = await store.add(folder);
  if (promote) await store.promote(version);
  return version;
}

function unit(row: Float32Array): Float32Array {
  const length = Math.hypot(...row);
  return row.map((value) => value / length);
}
