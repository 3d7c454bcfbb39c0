/**
 * Whether a memory of good parts helps a head that knows defects against kinds that nobody labelled:
 * `npm run build && node dist/test/bench/unknown-good.js [--set parts/deep_pcb_crops] [--per-label 40] [--draws 1] [--test 40] [--rate 0.05]`
 * Each kind of defect is left out in turn. A head and its familiarity are trained on so many images of each other label, and a memory on
 * the good ones among them. With the memory, a part whose most probable label is good must be like the good parts as well.
 */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { familiarOf } from '../../calibration/train/familiar.ts';
import { fitHead } from '../../calibration/train/fit.ts';
import { openGoodCells } from '../../calibration/train/good-cells.ts';
import { bothMaps } from '../../calibration/train/maps.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { rememberGood } from '../../calibration/train/remember-good.ts';
import { familiarityOf } from '../../models/familiarity.ts';
import { anomalyScoreOf } from '../../models/good-memory.ts';
import { hellinger, probabilitiesOf } from '../../models/head.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import type { FeatureMaps } from '../../models/run/runner.ts';
import { openSession } from '../../models/run/session.ts';
import { readOptions } from './options.ts';

const usage = `Usage: node dist/test/bench/unknown-good.js [--set parts/deep_pcb_crops] [--per-label 40] [--draws 1] [--test 40] [--rate 0.05]

Leaves out each kind of defect in turn, with and without a memory of good parts (docs/benchmarks.md).`;
const { values } = readOptions(usage, {
  options: {
    set: { type: 'string', default: 'parts/deep_pcb_crops' },
    'per-label': { type: 'string', default: '40' },
    draws: { type: 'string', default: '1' },
    test: { type: 'string', default: '40' },
    rate: { type: 'string', default: '0.05' },
  },
});
const data = process.env.QC_TEST_DATA ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const size = Number(values['per-label']);
const most = Number(values.test);
const folder = await mkdtemp(join(tmpdir(), 'qc-unknown-good-'));

interface Seen {
  readonly id: string;
  readonly file: string;
  readonly label: string;
  readonly features: Float32Array;
}

try {
  await using session = await openSession({
    base: 'resnet50-embedded',
    provider: 'cpu',
    precision: 'fp32',
    threads: 0,
  });
  const sizes = bothMaps(session)!;
  const mapsOf = async ({ file }: { readonly file: string }): Promise<FeatureMaps> =>
    (await session.maps(await decodePicture(await readFile(file)))).maps;
  const place = join(data, values.set);
  const labels = readdirSync(place, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const counts = { unknown: 0, before: 0, after: 0, passedBefore: 0, passedAfter: 0 };
  const good = { of: 0, before: 0, after: 0 };
  for (let draw = 0; draw < Number(values.draws); draw++) {
    const seen = new Map<string, Seen[]>();
    for (const label of labels) {
      const files = seededRandom(1 + draw)
        .shuffled(readdirSync(join(place, label)).sort())
        .slice(0, size + most);
      const rows: Seen[] = [];
      for (const name of files) {
        const file = join(place, label, name);
        const features = await session.features(await decodePicture(await readFile(file)));
        rows.push({ id: createHash('sha256').update(file).digest('hex'), file, label, features });
      }
      seen.set(label, rows);
    }
    console.log(`draw ${draw}: features`);
    const goodParts = seen.get('good')!.slice(0, size);
    const cells = openGoodCells({ sizes, mapsOf, seed: 1 });
    const { memory, text } = await rememberGood(cells.sourceOf(goodParts), {
      group: goodParts.map((_, i) => i),
      seed: 1,
      falseAlarmRate: Number(values.rate),
    });
    console.log(`memory: limit ${memory.limit.toFixed(2)}; ${text}`);
    const scoreOf = async (parts: readonly Seen[]) => {
      const odd: number[] = [];
      for (const part of parts) odd.push(anomalyScoreOf(memory, await mapsOf(part)).score);
      return odd;
    };
    const goodTest = seen.get('good')!.slice(size, size + most);
    const goodScores = await scoreOf(goodTest);
    for (const left of labels.filter((label) => label !== 'good')) {
      const training = labels
        .filter((label) => label !== left)
        .flatMap((label) => seen.get(label)!.slice(0, size));
      const group = training.map((_, i) => i);
      const head = await fitHead(
        training.map(({ features, label }, i) => ({ views: new Map([[0, features]]), label, group: i })),
        { seed: 1 },
      );
      const familiar = await familiarOf(
        training.map(({ features, label }) => ({ features, frame: { label } })),
        group,
      );
      const judge = (part: Seen, odd: number) => {
        const said = probabilitiesOf(head, part.features)[head.labels.indexOf('good')]!;
        const isStrange = familiarityOf(familiar, hellinger(part.features)) < familiar.minFamiliarity;
        const isAnomalous = isStrange || (said >= 0.5 && odd > memory.limit);
        return { isStrange, isAnomalous, passes: said >= 0.7 };
      };
      const unknown = seen.get(left)!.slice(0, most);
      const odd = await scoreOf(unknown);
      const [one, of] = [
        unknown.map((part, i) => judge(part, odd[i]!)),
        goodTest.map((part, i) => judge(part, goodScores[i]!)),
      ];
      const share = (list: typeof one, is: (of: (typeof one)[number]) => boolean) => list.filter(is).length;
      counts.unknown += one.length;
      counts.before += share(one, ({ isStrange }) => isStrange);
      counts.after += share(one, ({ isAnomalous }) => isAnomalous);
      counts.passedBefore += share(one, ({ isStrange, passes }) => passes && !isStrange);
      counts.passedAfter += share(one, ({ isAnomalous, passes }) => passes && !isAnomalous);
      good.of += of.length;
      good.before += share(of, ({ isStrange, passes }) => isStrange || !passes);
      good.after += share(of, ({ isAnomalous, passes }) => isAnomalous || !passes);
      console.log(
        `${left.padEnd(16)} noticed ${share(one, ({ isStrange }) => isStrange)} → ${share(one, ({ isAnomalous }) => isAnomalous)} of ${one.length}, passed ${share(one, ({ isStrange, passes }) => passes && !isStrange)} → ${share(one, ({ isAnomalous, passes }) => passes && !isAnomalous)}; good not passed ${share(of, ({ isStrange, passes }) => isStrange || !passes)} → ${share(of, ({ isAnomalous, passes }) => isAnomalous || !passes)} of ${of.length}`,
      );
    }
  }
  const percent = (part: number, of: number) => `${((100 * part) / of).toFixed(1)} %`;
  console.log(
    `unknown noticed ${percent(counts.before, counts.unknown)} → ${percent(counts.after, counts.unknown)}, passed ${percent(counts.passedBefore, counts.unknown)} → ${percent(counts.passedAfter, counts.unknown)}; good not passed ${percent(good.before, good.of)} → ${percent(good.after, good.of)}`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
