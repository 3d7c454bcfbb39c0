/**
 * Whether a memory of good parts helps a head that knows defects against kinds that nobody labelled:
 * `npm run build && node dist/test/bench/unknown-good.js [--set parts/deep_pcb_crops] [--per-label 40] [--draws 1] [--test 40] [--rate 0.05] [--known 1] [--base embedded|imagenet|PATH]`
 * Each kind of defect is left out in turn; with --known, only so many other kinds are known. A head and its familiarity are trained on so many images of each other label, and a memory on
 * the good ones among them. A set with a single kind of defect gets three drawn ones on good images that are not trained on. With the memory, a part whose most probable label is good must be like the good parts as well.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tailLimit } from '../../calibration/train/false-alarms.ts';
import { familiarOf } from '../../calibration/train/familiar.ts';
import { fitHead } from '../../calibration/train/fit.ts';
import { openGoodCells } from '../../calibration/train/good-cells.ts';
import { valuesOfGoodCells } from '../../calibration/train/good-parts.ts';
import { bothMaps } from '../../calibration/train/maps.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { rememberGood } from '../../calibration/train/remember-good.ts';
import { familiarityOf } from '../../models/familiarity.ts';
import { anomalyScoreOf } from '../../models/good-memory.ts';
import { hellinger, probabilitiesOf } from '../../models/head.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import type { FeatureMaps } from '../../models/run/runner.ts';
import { openSession } from '../../models/run/session.ts';
import { type Drawn, drawDefect, drawnKinds } from './drawn-defects.ts';
import { readOptions } from './options.ts';
import { baseOf } from './real/base-option.ts';
import { photographs } from './real/photographs.ts';

const usage = `Usage: node dist/test/bench/unknown-good.js [--set parts/deep_pcb_crops] [--per-label 40] [--draws 1] [--test 40] [--rate 0.05] [--known 1] [--base embedded|imagenet|PATH]

Leaves out each kind of defect in turn, with and without a memory of good parts (docs/benchmarks.md).`;
const { values } = readOptions(usage, {
  options: {
    set: { type: 'string', default: 'parts/deep_pcb_crops' },
    'per-label': { type: 'string', default: '40' },
    draws: { type: 'string', default: '1' },
    test: { type: 'string', default: '40' },
    rate: { type: 'string', default: '0.05' },
    known: { type: 'string', default: '0' },
    base: { type: 'string', default: 'embedded' },
  },
});
const size = Number(values['per-label']);
const most = Number(values.test);
const folder = await mkdtemp(join(tmpdir(), 'qc-unknown-good-'));

interface Seen extends Source {
  readonly id: string;
  readonly label: string;
  readonly features: Float32Array;
}

/** An image, and what is drawn on it. */
interface Source {
  readonly file: string;
  readonly drawn?: Drawn | undefined;
}

try {
  await using session = await openSession({
    base: await baseOf(values.base, folder, photographs),
    provider: 'cpu',
    precision: 'fp32',
    threads: 0,
  });
  const sizes = bothMaps(session)!;
  const imageOf = async ({ file, drawn }: Source) => {
    const image = await decodePicture(await readFile(file));
    return drawn ? drawDefect(image, drawn, file) : image;
  };
  const mapsOf = async (part: Source): Promise<FeatureMaps> => (await session.maps(await imageOf(part))).maps;
  const place = join(photographs, values.set);
  const filesOf = sourcesOf(place);
  const hasOneKind = filesOf.size === 2;
  const kinds = [...filesOf.keys(), ...(hasOneKind ? drawnKinds : [])].filter((label) => label !== 'good');
  const counts = { unknown: 0, before: 0, after: 0, passedBefore: 0, passedAfter: 0 };
  const good = { of: 0, before: 0, after: 0 };
  for (let draw = 0; draw < Number(values.draws); draw++) {
    const seen = new Map<string, Seen[]>();
    const look = async (files: readonly string[], label: string, drawn?: Drawn): Promise<Seen[]> => {
      const rows: Seen[] = [];
      for (const file of files) {
        const features = await session.features(await imageOf({ file, drawn }));
        const id = createHash('sha256').update(`${file} ${drawn}`).digest('hex');
        rows.push({ id, file, label, features, drawn });
      }
      return rows;
    };
    for (const [label, files] of filesOf) {
      const shuffled = seededRandom(1 + draw).shuffled([...files]);
      seen.set(label, await look(shuffled.slice(0, size + most), label));
    }
    if (hasOneKind) {
      const good = seededRandom(1 + draw).shuffled([...filesOf.get('good')!]);
      const files = [...good.slice(size + most).slice(0, size), ...good.slice(size, size + most)];
      for (const kind of drawnKinds) seen.set(kind, await look(files, kind, kind));
    }
    console.log(`draw ${draw}: features`);
    const goodParts = seen.get('good')!.slice(0, size);
    const cells = openGoodCells({ sizes, mapsOf, seed: 1, projectedTo: valuesOfGoodCells });
    const { memory, heldOut, text } = await rememberGood(cells.sourceOf(goodParts), {
      group: goodParts.map((_, i) => i),
      seed: 1,
      falseAlarmRate: Number(values.rate),
    });
    const limit = tailLimit(heldOut, 0.01);
    console.log(`memory: limit ${memory.limit.toFixed(2)} → ${limit.toFixed(2)}; ${text}`);
    const scoreOf = async (parts: readonly Seen[]) => {
      const odd: number[] = [];
      for (const part of parts) odd.push(anomalyScoreOf(memory, await mapsOf(part)).score);
      return odd;
    };
    const goodTest = seen.get('good')!.slice(size, size + most);
    const goodScores = await scoreOf(goodTest);
    for (const [at, left] of kinds.entries()) {
      const others = kinds.filter((label) => label !== left);
      const around = [...others.slice(at), ...others.slice(0, at)];
      const training = ['good', ...around.slice(0, Number(values.known) || others.length)].flatMap((label) =>
        seen.get(label)!.slice(0, size),
      );
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
        const isAnomalous = isStrange || (said >= 0.5 && odd > limit);
        return { isStrange, isAnomalous, passes: said >= 0.7 };
      };
      const unknown = seen.get(left)!.slice(-most);
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

/** The images of a set by label; those of MVTec AD's layout from both parts. */
function sourcesOf(root: string): Map<string, string[]> {
  const roots = existsSync(join(root, 'train')) ? [join(root, 'train'), join(root, 'test')] : [root];
  const files = new Map<string, string[]>();
  for (const place of roots) {
    for (const entry of readdirSync(place, { withFileTypes: true }).filter((one) => one.isDirectory())) {
      const own = readdirSync(join(place, entry.name))
        .sort()
        .map((name) => join(place, entry.name, name));
      files.set(entry.name, [...(files.get(entry.name) ?? []), ...own]);
    }
  }
  return files;
}
