import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { drawSamples } from '../../../agent/demo/samples.ts';
import { createDrift } from '../../../agent/drift/drift.ts';
import { referenceOf } from '../../../agent/drift/reference.ts';
import { fitHead } from '../../../calibration/train/fit.ts';
import { viewOf } from '../../../calibration/train/views.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { decodeHead, encodeHead, hellinger } from '../../../models/head.ts';
import type { Image } from '../../../models/image.ts';
import { openInspector } from '../../../models/inspector.ts';

async function outOfFocus({ width, height, data }: Image): Promise<Image> {
  const out = await sharp(data, { raw: { width, height, channels: 3 } })
    .blur(2)
    .raw()
    .toBuffer();
  return { width, height, data: new Uint8Array(out.buffer, out.byteOffset, out.length) };
}

it('detects a darker lamp and a lens out of focus, and no drift without a change', async () => {
  const storageDirectory = await mkdtemp(join(tmpdir(), 'qc-drift-'));
  const model = modelSchema.parse({});
  const onNotice = () => undefined;
  try {
    await using inspector = await openInspector({ model, storageDirectory, onNotice });
    const examples: { readonly label: string; readonly features: Float32Array }[] = [];
    for await (const { image, label } of drawSamples({ perLabel: 4, seed: 5 })) {
      examples.push({ label, features: await inspector.features(image) });
    }
    const fitted = await fitHead(
      examples.map(({ label, features }, group) => ({ views: new Map([[0, features]]), label, group })),
      { seed: 1 },
    );
    const exemplars = examples.map(({ features }) => hellinger(features));
    // As in the agent: loaded from the file.
    const head = decodeHead(encodeHead({ ...fitted, exemplars }), fitted.labels)!;
    const reference = (await referenceOf(head))!;

    const [same, dark, blurred] = [reference, reference, reference].map(createDrift);
    for await (const { image } of drawSamples({ perLabel: 5, seed: 77 })) {
      same!.add(await inspector.features(image));
      // Three times the darkening of the training's `light` view: a gamma of 2.
      const faded = await viewOf(await viewOf(await viewOf(image, 8), 8), 8);
      dark!.add(await inspector.features(faded));
      blurred!.add(await inspector.features(await outOfFocus(image)));
    }
    console.info(`drift ${same!.value}, darker ${dark!.value}, out of focus ${blurred!.value}`);
    expect(same!.value).toBeLessThan(0.7);
    expect(dark!.value).toBeGreaterThan(1);
    expect(blurred!.value).toBeGreaterThan(1);
  } finally {
    await rm(storageDirectory, { recursive: true, force: true });
  }
}, 120_000);
