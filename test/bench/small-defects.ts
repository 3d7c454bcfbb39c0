/**
 * Accuracy from few labels on sets with small defects: a head on the whole image compared with one that may look at places:
 * `npm run bench -- heads [--sets a,b] [--per-label 10,40] [--draws 2] [--test 40] [--base embedded|imagenet] [--cost]`
 * Each head is trained on a random draw from all images of a set and tested on the others, at most `--test` per label; no
 * setting is chosen on those. Marks are simulated: the centre of the largest blob of the mask, in deep_pcb_crops the centre
 * of the image. Pointing: of the defects with a mask that the head detects, those whose highest box overlaps the mask.
 * `--cost`: instead measures a part at 224 × 224 with each head, float and int8, alternating.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { centerOfBlob } from '../../calibration/dataset/centers.ts';
import type { LabelledFrame } from '../../calibration/dataset/frame.ts';
import { openCellCache } from '../../calibration/train/cell-cache.ts';
import { fitHead } from '../../calibration/train/fit.ts';
import { fitPlaces, type PlacedExample } from '../../calibration/train/fit-places.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { type ImagePoint, viewSets } from '../../calibration/train/views.ts';
import type { CellBlock } from '../../models/cells.ts';
import { type HeadWeights, probabilitiesOf } from '../../models/head.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { openSession, type Session } from '../../models/run/session.ts';
import { costOfPlaces } from './cost-of-places.ts';
import { readOptions } from './options.ts';
import { createPointing, type Pointing, point, pointingText } from './pointing.ts';
import { baseOf } from './real/base-option.ts';
import { featuresOfFrames, photographs, requirePaths } from './real/photographs.ts';

const all = [
  'anomaly/ballscrew',
  'anomaly/piped_btn01_rl',
  'anomaly/piped_zpb01_rl',
  'parts/screws_presence',
  'parts/deep_pcb_crops',
];
/** Labels that mean a good part in these sets. */
const goodLabels = ['good', 'complete'];
const usage = `Usage: npm run bench -- heads [OPTIONS]

Trains heads on few labels of photographs with small defects: on the whole image, and with places, from simulated marks and without.

Options:
  --sets A,B          sets below ../shared/data (${all.join(',')})
  --per-label N,N     images per label to train on (10,40)
  --draws N           random draws (2)
  --test N            most images per label to judge (40)
  --base NAME         embedded, imagenet or the path of a base (embedded)
  --cost              measure the time of a part instead`;
const { values } = readOptions(usage, {
  options: {
    sets: { type: 'string', default: all.join(',') },
    'per-label': { type: 'string', default: '10,40' },
    draws: { type: 'string', default: '2' },
    test: { type: 'string', default: '40' },
    base: { type: 'string', default: 'embedded' },
    cost: { type: 'boolean', default: false },
  },
});
if (!values.cost)
  requirePaths(
    'small-defects',
    values.sets.split(',').map((set) => join(photographs, set)),
  );

interface Picture extends LabelledFrame {
  readonly mark: ImagePoint | undefined;
  /** Path of its mask. */
  readonly mask: string | undefined;
}

console.log(`${availableParallelism()} cores ${cpus()[0]?.model ?? ''}, Node ${process.version}`);
const folder = await mkdtemp(join(tmpdir(), 'qc-heads-'));
try {
  if (values.cost) {
    for (const line of await costOfPlaces(folder)) console.log(line);
  } else {
    const base = await baseOf(values.base, folder, photographs);
    await using session = await openSession({ base, provider: 'cpu', precision: 'fp32', threads: 0 });
    console.log(`base ${session.facts.manifest.name}; accuracy with each label counting the same`);
    for (const set of values.sets.split(',')) {
      const pictures = await picturesOf(set);
      for (const count of values['per-label'].split(',').map(Number))
        await measure(session, set, pictures, count);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(session: Session, set: string, pictures: readonly Picture[], count: number) {
  const sums = { whole: 0, marks: 0, none: 0 };
  const draws = Number(values.draws);
  for (let seed = 1; seed <= draws; seed++) {
    const { training, testing } = drawn(pictures, count, seed);
    const described = await featuresOfFrames(session, folder, training, viewSets.turns);
    const source = openCellCache({ mapsOf: (image) => session.maps(image) }).sourceOf(training);
    const examples = (marked: boolean): PlacedExample[] =>
      described.map(({ frame, views }, group) => {
        const { mark } = training[group]!;
        return { label: frame.label, group, views, places: marked && mark ? [mark] : [] };
      });
    const whole = await fitHead(examples(false), { seed });
    const options = { good: goodLabels, maps: mapsOf(session), seed };
    const marks = await fitPlaces(whole, examples(true), source, options);
    const none = await fitPlaces(whole, examples(false), source, options);
    const heads = { whole, marks: marks?.head ?? whole, none: none?.head ?? whole };
    const pointing = {
      marks: createPointing(heads.marks, marks?.minPeak),
      none: createPointing(heads.none, none?.minPeak),
    };
    const right = await accuracies(session, testing, heads, pointing);
    for (const name of ['whole', 'marks', 'none'] as const) sums[name] += right[name]! / draws;
    const told = (fit: typeof marks) =>
      fit
        ? fit.tried
            .map((one) => `${one === fit.chosen ? '*' : ''}${one.way} ${one.window}: ${one.loss.toFixed(3)}`)
            .join(', ')
        : 'not tried';
    console.log(
      `${set} ${count} a label, draw ${seed}: whole image ${right.whole!.toFixed(3)}, marks ${right.marks!.toFixed(3)} (${told(marks)}), no marks ${right.none!.toFixed(3)} (${told(none)})`,
    );
    for (const [name, one] of Object.entries(pointing)) {
      const text = pointingText(one);
      if (text !== undefined)
        console.log(`${set} ${count} a label, draw ${seed}: pointing (${name}) ${text}`);
    }
  }
  console.log(
    `${set.padEnd(24)} ${String(count).padStart(3)} a label, mean of ${draws}: whole image ${sums.whole.toFixed(3)}  marks ${sums.marks.toFixed(3)}  no marks ${sums.none.toFixed(3)}`,
  );
}

/** Mean over the labels of the share of right answers. */
async function accuracies(
  session: Session,
  testing: readonly Picture[],
  heads: Record<string, HeadWeights>,
  pointing: Record<string, Pointing>,
) {
  const counts = new Map<string, number>();
  for (const { label } of testing) counts.set(label, (counts.get(label) ?? 0) + 1);
  const right: Record<string, number> = {};
  for (const { file, label, mask } of testing) {
    const { features, maps } = await session.maps(await decodePicture(await readFile(file)));
    for (const [name, head] of Object.entries(heads)) {
      const said = probabilitiesOf(head, features, maps);
      const most = head.labels[said.indexOf(Math.max(...said))]!;
      const isRight = most === label;
      const pointed = pointing[name];
      if (pointed && mask !== undefined && !goodLabels.includes(most)) await point(pointed, maps, mask);
      right[name] = (right[name] ?? 0) + (isRight ? 1 / (counts.get(label)! * counts.size) : 0);
    }
  }
  return right;
}

function mapsOf({ facts }: Session): CellBlock['maps'] {
  const [stage2, stage3] = (['stage2', 'stage3'] as const).map(
    (name) => facts.maps.find((map) => map.name === name)!,
  );
  return { stage2: stage2!, stage3: stage3! };
}

function drawn(pictures: readonly Picture[], count: number, seed: number) {
  const random = seededRandom(seed);
  const training: Picture[] = [];
  const testing: Picture[] = [];
  for (const label of [...new Set(pictures.map((one) => one.label))].sort()) {
    const mixed = random.shuffled(pictures.filter((one) => one.label === label));
    // At least half of a small set is kept for the test.
    const most = Math.min(count, Math.floor(mixed.length / 2));
    training.push(...mixed.slice(0, most));
    testing.push(...mixed.slice(most, most + Number(values.test)));
  }
  return { training, testing };
}

/** All images of a set; those of MVTec AD's layout from both parts. */
async function picturesOf(set: string): Promise<Picture[]> {
  const root = join(photographs, set);
  const roots = existsSync(join(root, 'train')) ? [join(root, 'train'), join(root, 'test')] : [root];
  const pictures: Picture[] = [];
  for (const place of roots) {
    for (const { name: label } of readdirSync(place, { withFileTypes: true }).filter((one) =>
      one.isDirectory(),
    )) {
      for (const name of readdirSync(join(place, label)).sort()) {
        const file = join(place, label, name);
        const id = createHash('sha256').update(file).digest('hex');
        const mask = maskOf(root, label, name);
        const mark = await markOf(root, label, mask);
        pictures.push({ id, label, file, labelledAt: '', labelledBy: 'set', mark, mask });
      }
    }
  }
  return pictures;
}

async function markOf(
  root: string,
  label: string,
  mask: string | undefined,
): Promise<ImagePoint | undefined> {
  if (goodLabels.includes(label)) return undefined;
  if (basename(root) === 'deep_pcb_crops') return { x: 0.5, y: 0.5 };
  if (mask === undefined) return undefined;
  const { width, height, data } = await decodePicture(await readFile(mask));
  return centerOfBlob({ width, height, data: data.filter((_, i) => i % 3 === 0) });
}

function maskOf(root: string, label: string, name: string): string | undefined {
  const stem = name.replace(/\.\w+$/, '');
  const masks = [
    `${stem}_mask.png`,
    `${stem.replace('_D_', '_GT_')}_mask.png`,
    `${stem.replace('_D_', '_GT_')}.png`,
  ];
  return masks.map((mask) => join(root, 'ground_truth', label, mask)).find((mask) => existsSync(mask));
}
