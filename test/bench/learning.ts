/**
 * Compares the prediction of the learning curve from few labels with the accuracy after more labels:
 * `npm run build && node dist/test/bench/learning.js [--sets x_sdd,neu_det,deep_pcb_crops] [--per-label 10] [--more 10,30] [--draws 2] [--test 40] [--cache DIR]`
 * Each draw is trained on a number of images per label, then again with more images; both heads are tested on the same
 * other images. Heads are trained on the whole images, without views and places. `--cache` keeps the features for the
 * next run.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabelledFrame } from '../../calibration/dataset/frame.ts';
import { byLabel } from '../../calibration/train/evaluate.ts';
import type { FrameFeatures } from '../../calibration/train/features.ts';
import { fitHead } from '../../calibration/train/fit.ts';
import { learningOf } from '../../calibration/train/learning/learning.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { type HeadWeights, probabilitiesOf } from '../../models/head.ts';
import { openSession } from '../../models/run/session.ts';
import { readOptions } from './options.ts';
import { featuresOfFrames, framesOf, photographs, requirePaths } from './real/photographs.ts';

const usage = `Usage: node dist/test/bench/learning.js [--sets x_sdd,neu_det,deep_pcb_crops] [--per-label 10] [--more 10,30] [--draws 2] [--test 40] [--cache DIR]

Compares what the learning curve predicts from few labels with what more labels bring (docs/benchmarks.md).`;
const { values } = readOptions(usage, {
  options: {
    sets: { type: 'string', default: 'x_sdd,neu_det,deep_pcb_crops' },
    'per-label': { type: 'string', default: '10' },
    more: { type: 'string', default: '10,30' },
    draws: { type: 'string', default: '2' },
    test: { type: 'string', default: '40' },
    cache: { type: 'string' },
  },
});
const few = Number(values['per-label']);
const more = values.more.split(',').map(Number);
const most = few + Math.max(...more);

requirePaths('learning', [join(photographs, 'parts')]);
const folder = values.cache ?? (await mkdtemp(join(tmpdir(), 'qc-learning-')));
await mkdir(folder, { recursive: true });
try {
  await using session = await openSession({
    base: 'resnet50-embedded',
    provider: 'cpu',
    precision: 'fp32',
    threads: 0,
  });
  console.log(
    `set, draw          ${few} per label  more  predicted (80 %)       measured  training, of which the curve`,
  );
  for (const set of values.sets.split(',')) {
    for (let draw = 1; draw <= Number(values.draws); draw++) {
      const { training, testing } = drawn(framesOf(join(photographs, 'parts', set)), draw);
      const described = await featuresOfFrames(session, folder, [...training, ...testing]);
      await compare(`${set}, ${draw}`, described, testing);
    }
  }
} finally {
  if (values.cache === undefined) await rm(folder, { recursive: true, force: true });
}

async function compare(name: string, described: readonly FrameFeatures[], testing: readonly LabelledFrame[]) {
  const byId = new Map(described.map((one) => [one.frame.id, one]));
  const judged = testing.map(({ id }) => byId.get(id)!);
  const isTest = new Set(testing.map(({ id }) => id));
  const examplesOf = (count: number) => {
    const seen = new Map<string, number>();
    return described.flatMap(({ frame, features }, group) => {
      const before = seen.get(frame.label) ?? 0;
      if (isTest.has(frame.id) || before >= count) return [];
      seen.set(frame.label, before + 1);
      return { views: new Map([[0, features]]), label: frame.label, group };
    });
  };
  const began = performance.now();
  const examples = examplesOf(few);
  const head = await fitHead(examples, { seed: 1 });
  const fitted = performance.now();
  const heldOut = byLabel(head.labels, head.heldOut);
  const rules = { thresholds: { pass: 0.7, fail: 0.6 }, good: ['good'] };
  const learning = await learningOf({ examples, head, heldOut, rules, seed: 1 }, more);
  const took = `${Math.round(fitted - began)}, ${Math.round(performance.now() - fitted)} ms`;
  const before = accuracyOf(head, judged);
  for (const { more: added, accuracy } of learning.expected) {
    const gain = accuracyOf(await fitHead(examplesOf(few + added), { seed: 1 }), judged) - before;
    const { value, low, high } = accuracy;
    const predicted = `${points(value)} (${points(low)} to ${points(high)})`;
    console.log(
      `${name.padEnd(18)} ${points(before).padStart(12)}  ${`+${added}`.padStart(4)}  ${predicted.padEnd(21)}  ${points(gain).padStart(8)}  ${took}`,
    );
  }
  console.log(`                   ${learning.sentence}`);
}

function accuracyOf(head: HeadWeights, judged: readonly FrameFeatures[]): number {
  const right = judged.filter(({ frame, features }) => {
    const said = probabilitiesOf(head, features);
    return head.labels[said.indexOf(Math.max(...said))] === frame.label;
  });
  return right.length / judged.length;
}

function points(share: number): string {
  return (100 * share).toFixed(1);
}

/** Tests on the same images for every number of labels. */
function drawn(frames: readonly LabelledFrame[], seed: number) {
  const random = seededRandom(seed);
  const training: LabelledFrame[] = [];
  const testing: LabelledFrame[] = [];
  for (const label of [...new Set(frames.map((frame) => frame.label))].sort()) {
    const mixed = random.shuffled(frames.filter((frame) => frame.label === label));
    const last = Math.min(most, Math.floor(mixed.length * 0.6));
    training.push(...mixed.slice(0, last));
    testing.push(...mixed.slice(last, last + Number(values.test)));
  }
  return { training, testing };
}
