/**
 * Whether probabilities and promised rates of heads from few labels hold on images that the head has not seen:
 * `npm run build && node dist/test/bench/promises.js [--sets a,b] [--per-label 10,40] [--draws 40] [--test 80] [--cache DIR]`
 * Each head is trained on a random draw of the images as they are and evaluated on the others, at most `--test` per label, once with the
 * temperature of the likelihood alone, as before, and once as trained. In sets without good parts the labels take turns as the
 * good one. `--cache` keeps the features for the next run. Nothing is chosen on the evaluated images.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byLabel, evaluate } from '../../calibration/train/evaluate.ts';
import type { FrameFeatures } from '../../calibration/train/features.ts';
import { fitHead, type TrainedHead } from '../../calibration/train/fit.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { calibrate } from '../../calibration/train/temperature.ts';
import { chooseThresholds, promiseRisk } from '../../calibration/train/thresholds.ts';
import { type HeadWeights, probabilitiesFrom, probabilitiesOf } from '../../models/head.ts';
import { openSession } from '../../models/run/session.ts';
import type { Probabilities } from '../../models/verdict.ts';
import { readOptions } from './options.ts';
import { featuresOfFrames, framesOf, photographs, requirePaths } from './real/photographs.ts';
import { createReliability, type Reliability, reliabilityText } from './reliability.ts';

const sets =
  'anomaly/ballscrew,parts/screws_presence,anomaly/piped_btn01_rl,parts/x_sdd,parts/neu_det,parts/deep_pcb_crops';
const usage = `Usage: node dist/test/bench/promises.js [--sets A,B] [--per-label 10,40] [--draws 40] [--test 80] [--cache DIR]

Compares probabilities and promised rates of heads with what happens on other images (docs/benchmarks.md).
Sets (default): ${sets}`;
const { values } = readOptions(usage, {
  options: {
    sets: { type: 'string', default: sets },
    'per-label': { type: 'string', default: '10,40' },
    draws: { type: 'string', default: '40' },
    test: { type: 'string', default: '80' },
    cache: { type: 'string' },
  },
});
/** Labels that mean a good part in these sets. */
const goodLabels = ['good', 'complete'];
/** Images of a label that are used at all. */
const mostOfLabel = 140;
const targets = { escapeRate: 0.05, falseRejectRate: 0.05, risk: promiseRisk };
const fallback = { pass: 0.7, fail: 0.6 };

requirePaths(
  'promises',
  values.sets.split(',').map((set) => join(photographs, set)),
);
const folder = values.cache ?? (await mkdtemp(join(tmpdir(), 'qc-promises-')));
await mkdir(folder, { recursive: true });
try {
  const on = { base: 'resnet50-embedded', provider: 'cpu', precision: 'fp32', threads: 0 } as const;
  await using session = await openSession(on);
  for (const set of values.sets.split(',')) {
    const root = join(photographs, set);
    const roots = existsSync(join(root, 'train')) ? [join(root, 'train'), join(root, 'test')] : [root];
    const frames = roots.flatMap((place) => framesOf(place, mostOfLabel));
    const described = await featuresOfFrames(session, folder, frames);
    for (const size of values['per-label'].split(',').map(Number)) await measure(set, described, size);
  }
} finally {
  if (values.cache === undefined) await rm(folder, { recursive: true, force: true });
}

async function measure(set: string, described: readonly FrameFeatures[], size: number): Promise<void> {
  const labels = [...new Set(described.map(({ frame }) => frame.label))].sort();
  const own = labels.filter((label) => goodLabels.includes(label));
  const ways = { before: createReliability(), now: createReliability() };
  const began = performance.now();
  for (let draw = 0; draw < Number(values.draws); draw++) {
    const { training, testing } = drawn(described, labels, size, draw);
    const examples = training.map(({ frame, features }, group) => {
      return { views: new Map([[0, features]]), label: frame.label, group };
    });
    const now = await fitHead(examples, { seed: draw });
    const truth = examples.map(({ label }) => label);
    const good = own.length > 0 ? own : [labels[draw % labels.length]!];
    add(ways.now, now, now.heldOut, truth, testing, good);
    const { before, heldOut } = asBefore(now, truth);
    add(ways.before, before, heldOut, truth, testing, good);
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`${set}, ${size} per label, ${values.draws} draws, ${seconds} s`);
  for (const [name, way] of Object.entries(ways)) console.log(`  ${name.padEnd(7)}${reliabilityText(way)}`);
}

/** The same head with the temperature of the likelihood of the first split alone, and no limit. */
function asBefore(now: TrainedHead, truth: readonly string[]) {
  const classes = now.labels.length;
  const floor = now.doubt / (classes - 1);
  const scores = now.heldOut.map((row) =>
    row.map((p) => now.temperature * Math.log(Math.max(1e-300, (p - floor) / (1 - classes * floor)))),
  );
  const counts = new Map<string, number>();
  for (const label of truth) counts.set(label, (counts.get(label) ?? 0) + 1);
  const { temperature } = calibrate(
    scores,
    truth.map((label) => now.labels.indexOf(label)),
    truth.map((label) => 1 / counts.get(label)!),
    0.025,
  );
  const before = { ...now, temperature, doubt: 0 };
  return { before, heldOut: scores.map((row) => probabilitiesFrom(row, before)) };
}

/** Thresholds and report from the held-out parts of the training, and what other parts then get. */
function add(
  way: Reliability,
  head: HeadWeights,
  heldOutRows: readonly (readonly number[])[],
  truth: readonly string[],
  testing: readonly FrameFeatures[],
  good: readonly string[],
): void {
  const heldOut = byLabel(head.labels, heldOutRows);
  const { thresholds, promised, sentences } = chooseThresholds(heldOut, truth, good, targets, fallback);
  const rules = { thresholds, good };
  const said: Probabilities[] = byLabel(
    head.labels,
    testing.map(({ features }) => probabilitiesOf(head, features)),
  );
  const testTruth = testing.map(({ frame }) => frame.label);
  way.add({
    said,
    truth: testTruth,
    reported: evaluate(heldOut, truth, rules),
    actual: evaluate(said, testTruth, rules),
    targets,
    promised: {
      escapes: promised || sentences.some(({ kept, text }) => kept && text.includes('bad parts pass')),
      falseRejects: sentences.some(({ kept, text }) => kept && text.includes('good parts fail')),
    },
  });
}

/** @returns at least half of the images of each label for the test */
function drawn(described: readonly FrameFeatures[], labels: readonly string[], size: number, draw: number) {
  const random = seededRandom(1_000 * draw + size);
  const training: FrameFeatures[] = [];
  const testing: FrameFeatures[] = [];
  for (const label of labels) {
    const mixed = random.shuffled(described.filter(({ frame }) => frame.label === label));
    const count = Math.min(size, Math.floor(mixed.length / 2));
    training.push(...mixed.slice(0, count));
    testing.push(...mixed.slice(count, count + Number(values.test)));
  }
  return { training, testing };
}
