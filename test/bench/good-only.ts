/**
 * Accuracy of heads that were trained on good parts only, on photographs:
 * `npm run bench -- good-only [--sets a,b] [--parts 30,10] [--draws 2] [--test 60] [--base embedded|imagenet] [--rate 0.1] [--pool split|all]`
 * Each memory is made from a random draw of good parts and judges others, at most `--test` good ones and as many defects. AUROC: a
 * defect has a higher score than a good part. `--pool split` draws from the training images of a set and judges its test images; `all` mixes
 * them, so that draws differ and the promised rate can be checked on good parts that were not drawn. Nothing is chosen on the images that
 * are judged.
 */
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGoodCells } from '../../calibration/train/good-cells.ts';
import { bothMaps } from '../../calibration/train/maps.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { rememberGood } from '../../calibration/train/remember-good.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { openSession, type Session } from '../../models/run/session.ts';
import { readOptions } from './options.ts';
import { baseOf } from './real/base-option.ts';
import { photographs, requirePaths } from './real/photographs.ts';

const all = ['ballscrew', 'btn01_rl', 'fvn01_tl', 'fvn02_rl', 'zpb01_rl', 'bft01_tl', 'brg02_rl'].map(
  (set) => (set === 'ballscrew' ? `anomaly/${set}` : `anomaly/piped_${set}`),
);
const usage = `Usage: npm run bench -- good-only [OPTIONS]

Trains on good parts of photographs alone and reports how many defects and how many other good parts are held back.

Options:
  --sets A,B          sets below ../shared/data (${all.join(',')})
  --parts N,N         good parts to train on (30,10)
  --draws N           random draws (2)
  --test N            most good parts, and most defects, to judge (60)
  --base NAME         embedded, imagenet or the path of a base (embedded)
  --rate SHARE        training.falseAlarmRate (0.05)
  --pool split|all    draw from the training images only, or from all good images (split)`;
const { values } = readOptions(usage, {
  options: {
    sets: { type: 'string', default: all.join(',') },
    parts: { type: 'string', default: '30,10' },
    draws: { type: 'string', default: '2' },
    test: { type: 'string', default: '60' },
    base: { type: 'string', default: 'embedded' },
    rate: { type: 'string', default: '0.05' },
    pool: { type: 'string', default: 'split' },
  },
});
requirePaths(
  'good-only',
  values.sets.split(',').map((set) => join(photographs, set)),
);
const rate = Number(values.rate);

console.log(`${availableParallelism()} cores ${cpus()[0]?.model ?? ''}, Node ${process.version}`);
const folder = await mkdtemp(join(tmpdir(), 'qc-good-only-'));
try {
  const base = await baseOf(values.base, folder, photographs);
  await using session = await openSession({ base, provider: 'cpu', precision: 'fp32', threads: 0 });
  console.log(`base ${session.facts.manifest.name}, rate ${rate}, ${values.draws} draws of ${values.pool}`);
  for (const set of values.sets.split(',')) await measure(session, set);
} finally {
  await rm(folder, { recursive: true, force: true });
}

interface Picture {
  /** Its file. */
  readonly id: string;
  readonly file: string;
}

async function measure(session: Session, set: string): Promise<void> {
  const [training, testing] = (['train', 'test'] as const).map((part) =>
    picturesOf(join(photographs, set, part, 'good')),
  );
  const defects = readdirSync(join(photographs, set, 'test'))
    .filter((label) => label !== 'good')
    .flatMap((label) => picturesOf(join(photographs, set, 'test', label)));
  const cells = openGoodCells({
    sizes: bothMaps(session)!,
    mapsOf: async ({ file }) => (await session.maps(await decodePicture(await readFile(file)))).maps,
    seed: 1,
    maxBytes: 512e6,
  });
  for (const size of values.parts.split(',').map(Number)) {
    const draws: Draw[] = [];
    for (let draw = 0; draw < Number(values.draws); draw++) {
      const random = seededRandom(1 + draw);
      const pool = random.shuffled(values.pool === 'all' ? [...training!, ...testing!] : training!);
      const rest = values.pool === 'all' ? pool.slice(size) : random.shuffled(testing!);
      draws.push(
        await judged(cells, pool.slice(0, size), {
          good: rest.slice(0, Number(values.test)),
          defects: random.shuffled(defects).slice(0, Number(values.test)),
          seed: 1 + draw,
        }),
      );
    }
    const mean = (of: keyof Draw) => draws.reduce((sum, one) => sum + Number(one[of]), 0) / draws.length;
    const beyond = draws.filter(({ alarms }) => alarms > rate).length;
    console.log(
      `${set.padEnd(24)} ${String(Math.min(size, training!.length)).padStart(3)} parts: AUROC ${mean('auroc').toFixed(3)} (${draws
        .map(({ auroc }) => auroc.toFixed(3))
        .slice(0, 5)
        .join(
          ' ',
        )}), detected ${percent(mean('detected'))}, false alarms ${percent(mean('alarms'))} (worst ${percent(Math.max(...draws.map(({ alarms }) => alarms)))}), above the rate in ${beyond} of ${draws.length}; promised: ${draws[0]!.text}`,
    );
  }
}

interface Draw {
  readonly auroc: number;
  readonly detected: number;
  readonly alarms: number;
  readonly text: string;
}

interface Judged {
  readonly good: readonly Picture[];
  readonly defects: readonly Picture[];
  readonly seed: number;
}

async function judged(
  cells: ReturnType<typeof openGoodCells>,
  parts: readonly Picture[],
  { good, defects, seed }: Judged,
): Promise<Draw> {
  const { memory, scoreOf, text } = await rememberGood(cells.sourceOf(parts), {
    group: parts.map((_, i) => i),
    seed,
    falseAlarmRate: rate,
  });
  const scoresOf = async (pictures: readonly Picture[]) => {
    const source = cells.sourceOf(pictures);
    const scores: number[] = [];
    for (let i = 0; i < pictures.length; i++) scores.push(scoreOf(await source.cells(i)));
    return scores;
  };
  const [goodScores, defectScores] = [await scoresOf(good), await scoresOf(defects)];
  const share = (scores: readonly number[]) =>
    scores.filter((value) => value > memory.limit).length / scores.length;
  return {
    auroc: aurocOf(goodScores, defectScores),
    detected: share(defectScores),
    alarms: share(goodScores),
    text,
  };
}

/** Share of pairs in which the defect has the higher score. */
function aurocOf(good: readonly number[], defects: readonly number[]): number {
  let won = 0;
  for (const a of defects) for (const b of good) won += a > b ? 1 : a === b ? 0.5 : 0;
  return won / (good.length * defects.length);
}

function picturesOf(folder: string): Picture[] {
  return readdirSync(folder)
    .sort()
    .map((file) => ({ id: join(folder, file), file: join(folder, file) }));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
