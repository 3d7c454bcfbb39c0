/** Several images in one run of a base whose batch is free, in the real thread. */
import { expect, test } from 'vitest';
import { valueInfo } from '../../../models/onnx/build.ts';
import { openSession, type SessionRequest } from '../../../models/run/session.ts';
import { formulaImage } from '../formula-image.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyClassifier, writeTiny } from '../tiny-model.ts';

const on = (base: string, size: number): SessionRequest => ({
  base,
  precision: 'auto',
  provider: 'cpu',
  threads: 1,
  batch: { size, waitMs: 0 },
});
const pictures = Array.from({ length: 9 }, (_, n) => formulaImage(40 + n, 50 - n));

test('images that share a run have the same features as alone', async () => {
  await using folder = await tempFolder();
  const base = await writeTiny(folder.path);
  await using alone = await openSession(on(base, 1));
  await using together = await openSession(on(base, 4));
  expect(alone.facts.batch).toBe(1);
  expect(together.facts).toMatchObject({ batch: 4, why: [] });
  const judged = await Promise.all(pictures.map((picture) => together.judge(picture)));
  expect(judged.map(({ batch }) => batch)).toEqual([4, 4, 4, 4, 4, 4, 4, 4, 1]);
  for (const [n, { features }] of judged.entries()) {
    const expected = await alone.features(pictures[n]!);
    for (const [d, value] of features.entries()) expect(value).toBeCloseTo(expected[d]!, 5);
  }
});

test('an invalid image in a run does not affect the others', async () => {
  await using folder = await tempFolder();
  await using session = await openSession(on(await writeTiny(folder.path), 4));
  const right = await session.features(pictures[0]!);
  const wrong = { width: 9, height: 9, data: new Uint8Array(5) };
  const asked = [pictures[0]!, wrong, pictures[0]!, pictures[0]!].map((picture) => session.judge(picture));
  const outcomes = await Promise.allSettled(asked);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  expect(outcomes[1]).toMatchObject({ reason: { code: 'image-invalid' } });
  for (const one of outcomes) if (one.status === 'fulfilled') expect(one.value.features).toEqual(right);
});

test('a base for one image at a time reports this and works', async () => {
  await using folder = await tempFolder();
  const { graph, ...model } = tinyClassifier();
  const input = [valueInfo('data', [1, 3, 32, 32])];
  const one = { ...model, graph: { ...graph!, input, output: [valueInfo('logits', [1, 1000])] } };
  const base = await writeTiny(folder.path, {}, one);
  await using session = await openSession(on(base, 4));
  expect(session.facts).toMatchObject({
    batch: 1,
    why: ['batches: the graph of the base takes one image at a time'],
  });
  await Promise.all(pictures.map((picture) => session.features(picture)));
});
