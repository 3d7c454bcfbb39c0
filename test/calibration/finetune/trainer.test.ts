import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openBlock } from '../../../calibration/finetune/block.ts';
import { openEntries } from '../../../calibration/finetune/entries.ts';
import { openTrainer, type Row } from '../../../calibration/finetune/trainer.ts';
import { argmax } from '../../../models/argmax.ts';
import { embeddedBases, openBase } from '../../../models/base.ts';
import { makeFolders } from '../../../models/disk/folders.ts';
import { node } from '../../../models/onnx/build.ts';
import { changed, decodeModel, encodeModel } from '../../../models/onnx/proto.ts';
import { tailOf } from '../../../models/onnx/tail.ts';
import { readFloat } from '../../../models/quantize/float.ts';
import { openSession } from '../../../models/run/session.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { tinyClassifier, writeTiny } from '../../models/tiny-model.ts';
import { site } from '../site.ts';
import { type Label, surface } from '../surface.ts';

const labels: readonly Label[] = ['good', 'stain', 'bright'];
const rates = { base: 3e-3, head: 1e-2, decay: 0, headDecay: 0 };

async function prepared(folder: string) {
  const { model } = await site(folder, { labelled: 0 });
  const base = await openBase({ base: model.base, precision: 'auto' });
  const block = await openBlock(base, 1);
  const { tail } = block;
  const size = (name: string) =>
    block
      .shapes(1)
      .get(name)!
      .reduce((a, b) => a * b, 1);
  const entries = await openEntries(join(folder, 'entries'), [size(tail.entry), ...tail.others.map(size)]);
  const rows: Row[] = [];
  for (let i = 0; i < 24; i++) {
    const target = i % labels.length;
    await entries.add(await block.entryOf(surface(labels[target]!, i)));
    rows.push({ index: i, target, weight: 1 });
  }
  const features = size(tail.features);
  const head = {
    mean: new Float32Array(features),
    scale: new Float32Array(features).fill(1),
    weights: new Float32Array(labels.length * features),
    bias: new Float32Array(labels.length),
  };
  return { model, base, block, entries, rows, head };
}

it('trains the last block and the head, and writes a base that computes the trained features', async () => {
  await using folder = await tempFolder();
  const { model, block, entries, rows, head } = await prepared(folder.path);
  await using _ = block;
  await using __ = entries;
  await using trainer = await openTrainer({ block, entries, classes: 3, batch: 8, threads: 1, rates });
  const state = trainer.begin(head);
  const all = rows.map(({ index }) => index);

  // Before training the features are those of the base, up to the rounding of the stored maps.
  await using session = await openSession({ ...model, storageDirectory: folder.path });
  const frozen = await session.features(surface('good', 0));
  const before = await trainer.predict(state, all);
  expect(largestDifference(frozen, before.features[0]!)).toBeLessThan(0.002 * Math.max(...frozen));

  const losses: number[] = [];
  for (let epoch = 0; epoch < 12; epoch++)
    losses.push(await trainer.epoch(state, rows, { seed: epoch, rate: 1, mirrored: true }));
  expect(losses[0]).toBeCloseTo(Math.log(3), 1);
  expect(losses.at(-1)).toBeLessThan(0.5 * losses[0]!);
  const after = await trainer.predict(state, all);
  const right = rows.filter(({ target }, i) => argmax(after.probabilities[i]!) === target).length;
  expect(right / rows.length).toBeGreaterThan(0.9);
  expect(largestDifference(after.features[0]!, before.features[0]!)).toBeGreaterThan(0.05);

  const { model: bytes, manifest } = block.withParameters(state.values);
  const { file: _file, ...described } = manifest;
  const elsewhere = join(folder.path, 'tuned');
  await makeFolders(elsewhere);
  const tuned = await writeTiny(elsewhere, described, decodeModel(bytes));
  await using own = await openSession({ ...model, base: tuned, storageDirectory: folder.path });
  const exported = await own.features(surface('good', 0));
  expect(largestDifference(exported, after.features[0]!)).toBeLessThan(0.002 * Math.max(...exported));
});

it('gives the same weights for the same seed', async () => {
  await using folder = await tempFolder();
  const { block, entries, rows, head } = await prepared(folder.path);
  await using _ = block;
  await using __ = entries;
  await using trainer = await openTrainer({ block, entries, classes: 3, batch: 8, threads: 1, rates });
  const trained = async (seed: number) => {
    const state = trainer.begin(head);
    await trainer.epoch(state, rows, { seed, rate: 1, mirrored: true });
    return state.values.get(block.tail.parameters[0]!)!;
  };
  expect(await trained(1)).toEqual(await trained(1));
  expect(await trained(2)).not.toEqual(await trained(1));
});

it('finds the last block of the embedded base', async () => {
  const base = await openBase({ base: join(embeddedBases, 'resnet50-embedded.onnx'), precision: 'auto' });
  const { plain } = await readFloat(base);
  const tail = tailOf(plain.graph!, base.manifest.features.tensor);
  if (typeof tail === 'string') throw new Error(tail);
  const convolutions = tail.nodes.filter(({ opType }) => opType === 'Conv');
  // A bottleneck: 1×1, 3×3, 1×1, each with a bias
  expect(convolutions).toHaveLength(3);
  expect(tail.parameters).toHaveLength(6);
  expect(tail.map).toBe('stage3');
  // What is pooled from stage 2 does not change.
  expect(tail.others).toHaveLength(2);
});

it('names the reason if a base cannot be fine-tuned', async () => {
  await using folder = await tempFolder();
  const file = await writeTiny(folder.path, {}, tinyClassifier());
  const base = await openBase({ base: file, precision: 'auto' });
  await expect(openBlock(base, 1)).rejects.toMatchObject({
    code: 'fine-tune-impossible',
    message: expect.stringMatching(/tiny cannot be fine-tuned: no block of convolutions/),
  });

  const { model } = await site(join(folder.path), { labelled: 0 });
  const resnet = await openBase({ base: model.base, precision: 'auto' });
  const { plain } = await readFloat(resnet);
  const tail = tailOf(plain.graph!, 'features');
  if (typeof tail === 'string') throw new Error(tail);
  const inner = tail.nodes.find(({ opType }) => opType === 'Relu')!;
  const graph = changed(plain.graph!, {
    node: plain.graph!.node.map((one) => (one === inner ? node('HardSwish', one.input, one.output) : one)),
  });
  expect(tailOf(decodeModel(encodeModel(changed(plain, { graph }))).graph!, 'features')).toMatch(
    /the operator HardSwish in its last block .* has no gradient/,
  );
});

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, d) => Math.max(most, Math.abs(value - b[d]!)), 0);
}
