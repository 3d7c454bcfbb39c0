/**
 * A label for a stored image must have the same effect as one for the original image, and the head must judge both alike.
 */
import { expect, it } from 'vitest';
import { provideDemoHead } from '../../../agent/demo/head.ts';
import { drawSamples } from '../../../agent/demo/samples.ts';
import { encodeJudged } from '../../../agent/evidence/jpeg.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { openInspector } from '../../../models/inspector.ts';
import { decodePicture } from '../../../models/prepare/decode.ts';
import { tempFolder } from '../../models/temp-folder.ts';

it('gives base and head the same result as the judged image', async () => {
  await using storage = await tempFolder();
  const model = modelSchema.parse({});
  await provideDemoHead(storage.path, { model, onProgress: () => undefined });
  await using inspector = await openInspector({
    model,
    storageDirectory: storage.path,
    onNotice: () => undefined,
  });
  for await (const { image } of drawSamples({ perLabel: 1, seed: 5 })) {
    const jpeg = await encodeJudged(image);
    expect(jpeg.byteLength).toBeLessThan(image.data.byteLength / 3);
    const judged = await inspector.judge(image);
    const again = await inspector.judge(await decodePicture(jpeg));
    expect(cosine(judged.features, again.features)).toBeGreaterThan(0.995);
    expect(mostProbable(again.probabilities)).toBe(mostProbable(judged.probabilities));
  }
});

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function mostProbable(probabilities: Readonly<Record<string, number>>): string | undefined {
  return Object.entries(probabilities).sort(([, a], [, b]) => b - a)[0]?.[0];
}
