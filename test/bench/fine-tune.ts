/**
 * Does fine-tuning the last block help? For a folder of images per label: a frozen head and fine-tuned ones on the same training and held-out
 * parts.
 *
 *   node dist/test/bench/fine-tune.js FOLDER [--base NAME|FILE] [--labels 40] [--test 40] [--draws 1] [--grid 'rate,soften,decay,epochs,head rate;…']
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openBlock } from '../../calibration/finetune/block.ts';
import { openEntries } from '../../calibration/finetune/entries.ts';
import { startHead } from '../../calibration/finetune/probe.ts';
import { openTrainer } from '../../calibration/finetune/trainer.ts';
import { fitHead } from '../../calibration/train/fit.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { argmax } from '../../models/argmax.ts';
import { openBase } from '../../models/base.ts';
import { probabilitiesOf } from '../../models/head.ts';
import { decodePicture } from '../../models/prepare/decode.ts';

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    base: { type: 'string', default: 'resnet50-embedded' },
    labels: { type: 'string', default: '40' },
    test: { type: 'string', default: '40' },
    draws: { type: 'string', default: '1' },
    grid: { type: 'string', default: '1e-4,1,0,8' },
    mirror: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
  },
});
const [folder = ''] = positionals;
const wantedLabels = Number(given.labels);
const wantedTest = Number(given.test);
const storage = await mkdtemp(join(tmpdir(), 'fine-tune-'));
const base = await openBase({ base: given.base, precision: 'auto' });
const threads = Number(given.threads);
await using block = await openBlock(base, threads);
const { tail } = block;
console.log(
  `${tail.entry} → ${tail.map}; ${tail.parameters.length} parameters; others ${tail.others.join()}`,
);
const labels = (await readdir(folder, { withFileTypes: true }))
  .flatMap((one) => (one.isDirectory() ? [one.name] : []))
  .sort();
for (let draw = 1; draw <= Number(given.draws); draw++) {
  const random = seededRandom(draw);
  const files: { file: string; label: string; held: boolean }[] = [];
  for (const label of labels) {
    const all = random
      .shuffled((await readdir(join(folder, label))).sort())
      .map((name) => join(folder, label, name));
    const train = Math.min(wantedLabels, Math.floor(all.length / 2));
    for (const [i, file] of all.slice(0, train + wantedTest).entries())
      files.push({ file, label, held: i >= train });
  }
  const shapes = block.shapes(1);
  const size = (name: string) => shapes.get(name)!.reduce((a, b) => a * b, 1);
  const file = join(storage, `${draw}.maps`);
  await using entries = await openEntries(file, [size(tail.entry), ...tail.others.map(size)]);
  let began = performance.now();
  for (const { file: path } of files)
    await entries.add(await block.entryOf(await decodePicture(await readFile(path))));
  const cachedMs = performance.now() - began;

  const train = files.flatMap(({ held }, i) => (held ? [] : [i]));
  const test = files.flatMap(({ held }, i) => (held ? [i] : []));
  const classes = labels.length;
  const settings = given.grid.split(';').map((text) => {
    const [rate = 0, soften = 1, decay = 0, epochs = 8, headRate = 1e-3] = text.split(',').map(Number);
    return { rate, soften, decay, epochs, headRate };
  });
  let features: Float32Array[] | undefined;
  let head: Awaited<ReturnType<typeof headOn>> | undefined;
  const headOn = (rows: Float32Array[]) =>
    fitHead(
      train.map((i) => ({ views: new Map([[0, rows[i]!]]), label: files[i]!.label, group: i })),
      { seed: draw, viewSets: ['none'] },
    );
  const accuracyOf = (rows: readonly (readonly number[])[]) =>
    rows.filter((row, j) => labels[argmax(row)] === files[test[j]!]!.label).length / rows.length;
  const all = files.map((_, i) => i);
  for (const { rate: full, soften, decay, epochs, headRate } of settings) {
    const rates = { base: full, head: headRate, decay, headDecay: decay };
    await using trainer = await openTrainer({ block, entries, classes, batch: 16, threads, rates });
    if (!features || !head) {
      const zero = trainer.begin({
        mean: new Float32Array(size(tail.features)),
        scale: new Float32Array(size(tail.features)).fill(1),
        weights: new Float32Array(classes * size(tail.features)),
        bias: new Float32Array(classes),
      });
      features = (await trainer.predict(zero, all)).features;
      head = await headOn(features);
      const said = test.map((i) => probabilitiesOf(head!, features![i]!));
      console.log(
        `draw ${draw}: ${train.length} train, ${test.length} test; frozen ${(100 * accuracyOf(said)).toFixed(2)}; maps ${(cachedMs / files.length).toFixed(0)} ms each`,
      );
    }
    const state = trainer.begin(
      startHead(
        head,
        train.map((i) => features![i]!),
        soften,
      ),
    );
    const rows = train.map((index) => ({ index, target: labels.indexOf(files[index]!.label), weight: 1 }));
    const line: string[] = [];
    began = performance.now();
    for (let epoch = 0; epoch < epochs; epoch++) {
      const rate = 0.5 * (1 + Math.cos((Math.PI * epoch) / epochs));
      const loss = await trainer.epoch(state, rows, {
        seed: draw * 1000 + epoch,
        rate,
        mirrored: given.mirror === '1',
      });
      if (epoch % 4 !== 3 && epoch !== epochs - 1) continue;
      const now = await trainer.predict(state, all);
      const joint = accuracyOf(test.map((i) => now.probabilities[i]!));
      const again = await headOn(now.features);
      const refitted = accuracyOf(test.map((i) => probabilitiesOf(again, now.features[i]!)));
      line.push(
        `${epoch + 1}: ${(100 * joint).toFixed(1)} / ${(100 * refitted).toFixed(1)} (loss ${loss.toFixed(3)})`,
      );
    }
    const ms = (performance.now() - began) / train.length / epochs;
    console.log(
      `  rate ${full}, soften ${soften}, decay ${decay}, head ${headRate}: ${line.join('; ')}; ${ms.toFixed(0)} ms per part and epoch`,
    );
  }
}
await rm(storage, { recursive: true });
