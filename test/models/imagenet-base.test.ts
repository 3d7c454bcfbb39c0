/** A real ImageNet network without folded batch normalisation, with a head on real photographs. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { fitRidge } from '../../calibration/train/ridge.ts';
import type { Image } from '../../models/image.ts';
import { openSession } from '../../models/run/session.ts';
import { tempFolder } from './temp-folder.ts';
import { tinyManifest } from './tiny-model.ts';

const data = process.env.QC_TEST_DATA ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const weights = join(data, 'bases', 'resnet50v2-imagenet-stage3.onnx');
const parts = join(data, 'parts', 'x_sdd');
const absent = [weights, parts].find((path) => !existsSync(path));
if (absent) console.log(`skipped: there is no test data at ${absent}`);

const perLabel = { train: 10, test: 4 };

test.skipIf(absent)(
  'ten images per label are enough for a head that recognises most others',
  async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'trunk.onnx');
    await symlink(weights, path);
    const sha256 = createHash('sha256')
      .update(await readFile(weights))
      .digest('hex');
    const { input, check: _, ...common } = tinyManifest(new Uint8Array(0));
    const manifest = {
      ...common,
      name: 'trunk',
      file: 'trunk.onnx',
      sha256,
      input: { ...input, width: 224, height: 224 },
      features: { tensor: 'features', pool: 'none', size: 1024 },
    };
    await writeFile(join(folder.path, 'trunk.json'), JSON.stringify(manifest));
    await using session = await openSession({ base: path, precision: 'auto', provider: 'cpu', threads: 0 });

    const training: { row: Float32Array; label: string }[] = [];
    const held: { row: Float32Array; label: string }[] = [];
    const folders = (await readdir(parts, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    for (const { name: label } of folders) {
      const files = (await readdir(join(parts, label))).sort().slice(0, perLabel.train + perLabel.test);
      for (const [i, file] of files.entries()) {
        const row = await session.features(await read(join(parts, label, file)));
        (i % 7 < 5 ? training : held).push({ row, label });
      }
    }
    const head = fitRidge(
      training.map(({ row }) => row),
      training.map(({ label }) => label),
    );
    const right = held.filter(({ row, label }) => {
      const scores = head.labels.map((_, k) =>
        row.reduce((sum, value, d) => sum + value * head.weights[k * row.length + d]!, head.bias[k]!),
      );
      return head.labels[scores.indexOf(Math.max(...scores))] === label;
    });
    console.log(
      `x_sdd: ${right.length} of ${held.length} right, leave-one-out ${head.looAccuracy.toFixed(3)}`,
    );
    expect(right.length / held.length).toBeGreaterThan(0.75);
  },
  60_000,
);

async function read(file: string): Promise<Image> {
  const { data: pixels, info } = await sharp(file)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: pixels };
}
