/**
 * Accuracy of heads trained on few labels of real photographs, and the time of training:
 * `npm run build && node dist/test/bench/heads.js [--per-label 5,10,20] [--seeds 5] [--base imagenet|embedded] [--sets x_sdd,neu_det] [--cache DIR] [--int8]`
 * Each head is trained on a random draw and tested on all other images of the set; no setting is chosen on those.
 * Unfamiliar: each label is left out in turn; its images should be reported as unfamiliar, the other new ones should not.
 * `--int8`: the same heads, trained on float features, are also tested with features of the base in 8 bits, which is made
 * from the training images. `--cache` keeps the features for the next run.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { version } from 'node:process';
import type { LabelledFrame } from '../../calibration/dataset/frame.ts';
import { drawEvenly } from '../../calibration/train/draw.ts';
import { familiarOf } from '../../calibration/train/familiar.ts';
import type { FrameFeatures } from '../../calibration/train/features.ts';
import { fitHead } from '../../calibration/train/fit.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { viewSets } from '../../calibration/train/views.ts';
import { openBase } from '../../models/base.ts';
import { familiarityOf } from '../../models/familiarity.ts';
import { type HeadWeights, hellinger, probabilitiesOf } from '../../models/head.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { quantizeBase } from '../../models/quantize/quantize.ts';
import { keepQuantized } from '../../models/quantize/variants.ts';
import { openSession, type Session } from '../../models/run/session.ts';
import { readOptions } from './options.ts';
import { baseOf } from './real/base-option.ts';
import {
  featuresOfFrames,
  framesOf,
  imagenetWeights,
  photographs,
  requirePaths,
} from './real/photographs.ts';

const usage = `Usage: node dist/test/bench/heads.js [--per-label 5,10,20] [--seeds 5] [--base imagenet|embedded] [--sets x_sdd,neu_det] [--cache DIR] [--int8]

Trains heads on few labels of photographs and reports their accuracy (docs/benchmarks.md).`;
const { values } = readOptions(usage, {
  options: {
    'per-label': { type: 'string', default: '5,10,20' },
    seeds: { type: 'string', default: '5' },
    base: { type: 'string', default: 'imagenet' },
    sets: { type: 'string', default: 'x_sdd,neu_det' },
    cache: { type: 'string' },
    int8: { type: 'boolean', default: false },
  },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const sizes = values['per-label'].split(',').map(Number);

requirePaths('heads', [imagenetWeights]);
console.log(`${availableParallelism()} cores ${cpus()[0]?.model ?? ''}, Node ${version}`);
const folder = values.cache ?? (await mkdtemp(join(tmpdir(), 'qc-heads-')));
await mkdir(folder, { recursive: true });
try {
  const base = await baseOf(values.base, folder, photographs);
  await using session = await openSession({ base, provider: 'cpu', precision: 'fp32', threads: 0 });
  const describe = (frames: readonly LabelledFrame[], views: readonly number[]) =>
    featuresOfFrames(session, folder, frames, views);
  await using opened = values.int8 ? await openInt8(base) : undefined;
  console.log(`base ${session.facts.manifest.name}, mean of ${seeds.length} seeds (each)`);
  for (const set of values.sets.split(',')) {
    const frames = framesOf(join(photographs, 'parts', set));
    const all = new Map((await describe(frames, [0])).map((one) => [one.frame.id, one]));
    const inLevels = opened && (await describeInLevels(frames, opened));
    const foreign = await describe(framesOf(join(photographs, 'parts', 'deep_pcb_crops')).slice(0, 100), [0]);
    for (const size of sizes) {
      const accuracies: number[] = [];
      const accuraciesInLevels: number[] = [];
      let took = 0;
      for (const seed of seeds) {
        const { training, testing } = drawn(frames, size, seed);
        const described = await describe(training, viewSets.turns);
        const began = performance.now();
        const head = await fitHead(
          described.map((one, group) => ({ views: one.views, label: one.frame.label, group })),
          { seed },
        );
        took += (performance.now() - began) / seeds.length;
        accuracies.push(accuracyOf(head, testing, (id) => all.get(id)!.features));
        if (inLevels) accuraciesInLevels.push(accuracyOf(head, testing, (id) => inLevels.get(id)!));
      }
      const told = (of: readonly number[]) => {
        const mean = of.reduce((a, b) => a + b) / of.length;
        return `${mean.toFixed(4)}  (${of.map((accuracy) => accuracy.toFixed(3)).join(' ')})`;
      };
      console.log(
        `${set.padEnd(8)} ${String(size).padStart(3)} a label: ${told(accuracies)}  training ${(took / 1000).toFixed(1)} s`,
      );
      if (inLevels) console.log(`${set.padEnd(8)}      in 8 bits: ${told(accuraciesInLevels)}`);
    }
    console.log(`${set.padEnd(8)} ${await unfamiliar(frames, all, foreign)}`);
    const { training, testing } = drawn(frames, 0.8, 1);
    const many = async (part: readonly LabelledFrame[]) => {
      const examples = part.map(({ id, label }, group) => ({
        views: new Map([[0, all.get(id)!.features]]),
        label,
        group,
      }));
      const began = performance.now();
      const head = await fitHead(examples, { seed: 1 });
      return { head, seconds: ((performance.now() - began) / 1000).toFixed(1) };
    };
    const { head, seconds } = await many(training);
    const right = accuracyOf(head, testing, (id) => all.get(id)!.features);
    const also = inLevels
      ? `, in 8 bits ${accuracyOf(head, testing, (id) => inLevels.get(id)!).toFixed(4)}`
      : '';
    console.log(
      `${set.padEnd(8)} 80 % (${training.length}): ${right.toFixed(4)}${also}  training ${seconds} s`,
    );
    const thousand = seededRandom(1)
      .shuffled([...frames])
      .slice(0, 1_000);
    console.log(
      `${set.padEnd(8)} 1,000 cached vectors, k-fold included: ${(await many(thousand)).seconds} s`,
    );
  }
} finally {
  if (values.cache === undefined) await rm(folder, { recursive: true, force: true });
}

/** The base in 8 bits, with ranges from 48 training images of each set. */
async function openInt8(base: string): Promise<Session> {
  const pictures = values.sets
    .split(',')
    .flatMap((set) => drawEvenly(framesOf(join(photographs, 'parts', set)), 48, 1))
    .map(
      ({ file }) =>
        async () =>
          decodePicture(await readFile(file)),
    );
  const made = await quantizeBase(await openBase({ base, precision: 'fp32' }), pictures, {
    method: 'best',
    threads: 0,
    source: 'both sets',
    revision: null,
    onProgress: () => undefined,
  });
  const { reason, quantization, methods } = made.report;
  console.log(
    `in 8 bits: ${reason}; ${quantization.operators} operators, float: ${quantization.float.join(', ') || 'none'}; ${JSON.stringify(methods)}`,
  );
  await keepQuantized(folder, made);
  return openSession({
    base,
    provider: 'cpu',
    precision: 'int8',
    threads: 0,
    storageDirectory: folder,
  });
}

async function describeInLevels(frames: readonly LabelledFrame[], session: Session) {
  const described = await featuresOfFrames(session, folder, frames);
  return new Map(described.map(({ frame, features }) => [frame.id, features]));
}

function accuracyOf(
  head: HeadWeights,
  testing: readonly LabelledFrame[],
  featuresOf: (id: string) => Float32Array,
): number {
  const right = testing.filter(({ id, label }) => {
    const said = probabilitiesOf(head, featuresOf(id));
    return head.labels[said.indexOf(Math.max(...said))] === label;
  });
  return right.length / testing.length;
}

/** With ten images per label, seed 1; each label is left out in turn. */
async function unfamiliar(
  frames: readonly LabelledFrame[],
  all: ReadonlyMap<string, FrameFeatures>,
  foreign: readonly FrameFeatures[],
) {
  const counts = { strange: 0, left: 0, alarms: 0, known: 0, other: 0, others: 0 };
  const { training, testing } = drawn(frames, 10, 1);
  for (const left of new Set(frames.map(({ label }) => label))) {
    const described = training.filter(({ label }) => label !== left).map(({ id }) => all.get(id)!);
    const familiar = await familiarOf(
      described,
      described.map((_, group) => group),
    );
    const strange = ({ features }: FrameFeatures) =>
      familiarityOf(familiar, hellinger(features)) < familiar.minFamiliarity;
    counts.others += foreign.length;
    counts.other += foreign.filter(strange).length;
    for (const { id, label } of testing) {
      const isStrange = strange(all.get(id)!);
      if (label === left) {
        counts.left++;
        if (isStrange) counts.strange++;
      } else {
        counts.known++;
        if (isStrange) counts.alarms++;
      }
    }
  }
  const percent = (part: number, of: number) => `${((100 * part) / of).toFixed(1)} %`;
  return `unfamiliar, 10 a label: ${percent(counts.strange, counts.left)} of a label that was left out, ${percent(counts.other, counts.others)} of another product, ${percent(counts.alarms, counts.known)} of known labels`;
}

/** Random images of each label. @param size number of images of each label, or a share below 1 */
function drawn(frames: readonly LabelledFrame[], size: number, seed: number) {
  const random = seededRandom(seed);
  const training: LabelledFrame[] = [];
  const testing: LabelledFrame[] = [];
  for (const label of [...new Set(frames.map((frame) => frame.label))].sort()) {
    const mixed = random.shuffled(frames.filter((frame) => frame.label === label));
    const count = size < 1 ? Math.round(size * mixed.length) : size;
    training.push(...mixed.slice(0, count));
    testing.push(...mixed.slice(count));
  }
  return { training, testing };
}
