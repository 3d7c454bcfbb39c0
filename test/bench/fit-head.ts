/**
 * `fit-head.js BASE STORAGE`: trains a head on noise with and without stripes and makes it live, so that results have a
 * label.
 */
import { join } from 'node:path';
import { seededRandom } from '../../calibration/train/random.ts';
import { fitRidge } from '../../calibration/train/ridge.ts';
import { writeHead } from '../../calibration/train/write-head.ts';
import { modelSchema } from '../../config/model-schema.ts';
import type { Image } from '../../models/image.ts';
import { openInspector } from '../../models/inspector.ts';
import { openStore } from '../../models/versions/store.ts';

const [base = '', storageDirectory = ''] = process.argv.slice(2);
const perLabel = 6;

function noise(seed: number, striped: boolean, side = 64): Image {
  const { next } = seededRandom(seed);
  const data = Uint8Array.from({ length: side * side * 3 }, (_, at) =>
    striped && Math.floor(at / 3) % 8 < 2 ? 240 : 80 + Math.floor(next() * 60),
  );
  return { width: side, height: side, data };
}

const model = modelSchema.parse({ base, provider: 'cpu' });
await using inspector = await openInspector({ model, storageDirectory, onNotice: () => undefined });
const rows: Float32Array[] = [];
const labels: string[] = [];
for (let seed = 1; seed <= perLabel; seed++) {
  for (const label of ['good', 'striped']) {
    rows.push(await inspector.features(noise(seed, label === 'striped')));
    labels.push(label);
  }
}
const draft = join(storageDirectory, 'models', 'draft');
await writeHead(draft, fitRidge(rows, labels), { base: inspector.manifest, createdAt: new Date() });
const store = await openStore(storageDirectory);
await store.promote(await store.add(draft));
