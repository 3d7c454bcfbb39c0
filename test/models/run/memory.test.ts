import { expect, it } from 'vitest';
import { modelSchema } from '../../../config/model-schema.ts';
import { openInspector } from '../../../models/inspector.ts';
import { memoryNeed } from '../../../models/run/memory.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyManifest } from '../tiny-model.ts';

const open = (storageDirectory: string, maxMemoryMb: number, threads = 2) =>
  openInspector({
    model: modelSchema.parse({ provider: 'cpu', threads, maxMemoryMb }),
    storageDirectory,
    onNotice: () => undefined,
  });

it('is estimated before a base is opened: one that needs more is refused with the figures', async () => {
  await using folder = await tempFolder();
  await expect(open(folder.path, 100)).rejects.toMatchObject({
    code: 'model-too-large',
    message: expect.stringMatching(
      /^the base resnet50-embedded needs about [23]\d\d MB of memory \([67]\d MB for its weights, 2 × 84 MB to compute\); 100 MB are allowed$/,
    ),
  });
});

it('is measured when the base is open, and is not above the estimate', async () => {
  await using folder = await tempFolder();
  await using inspector = await open(folder.path, 0);
  const { memoryBytes } = inspector.model;
  expect(memoryBytes).toBeGreaterThan(10e6);
  expect(memoryBytes).toBeLessThan(310e6);
});

it('grows with the pixels of an image, the images of a batch and the workers', () => {
  const base = (width: number) => {
    const { input, ...manifest } = tinyManifest(new Uint8Array(0));
    return {
      weightBytes: { all: 1e6, matrices: 0.5e6 },
      manifest: { ...manifest, input: { ...input, width, height: 224 } },
    };
  };
  const one = memoryNeed(base(224), { workers: 1 }, 1);
  expect(one.weights).toBe(2.5e6);
  const of = (width: number, workers: number, batch: number) => memoryNeed(base(width), { workers }, batch);
  const image = of(448, 1, 1).worker - one.worker;
  expect(image).toBe(40 * 2 ** 20);
  expect(of(224, 1, 8).worker).toBe(one.worker + 7 * image);
  expect(of(224, 4, 8).total - of(224, 3, 8).total).toBe(0.5e6 + one.worker + 7 * image);
});
