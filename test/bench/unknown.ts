/**
 * How many parts with a kind of defect that nobody labelled are called unfamiliar, and how many of known kinds by mistake:
 * `npm run build && node dist/test/bench/unknown.js [--per-label 10,40] [--draws 3] [--base imagenet|embedded] [--sets x_sdd,neu_det] [--cache DIR]`
 * Each label is left out in turn. The head gets so many parts of each other label; up to 40 more of each are the known ones. Beside it stands
 * the cosine to the nearest labelled part, with a limit of the same kind: what heads had before. Nothing is chosen on the test parts.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { familiarOf, nearestCosine } from '../../calibration/train/familiar.ts';
import type { FrameFeatures } from '../../calibration/train/features.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { familiarityOf } from '../../models/familiarity.ts';
import { hellinger } from '../../models/head.ts';
import { openSession } from '../../models/run/session.ts';
import { readOptions } from './options.ts';
import { baseOf } from './real/base-option.ts';
import { featuresOfFrames, framesOf, photographs, requirePaths } from './real/photographs.ts';

const usage = `Usage: node dist/test/bench/unknown.js [--per-label 10,40] [--draws 3] [--base imagenet|embedded] [--sets x_sdd,neu_det] [--cache DIR]

Leaves out each kind of defect in turn and counts how many of its parts are called unfamiliar (docs/benchmarks.md).`;
const { values } = readOptions(usage, {
  options: {
    'per-label': { type: 'string', default: '10,40' },
    draws: { type: 'string', default: '3' },
    base: { type: 'string', default: 'embedded' },
    sets: { type: 'string', default: 'x_sdd,neu_det' },
    cache: { type: 'string' },
  },
});
/** Parts of a label that are used at all, so that no label outweighs the others. */
const mostOfLabel = 80;
const maxKnown = 40;
const maxUnknown = 60;

requirePaths('unknown', [join(photographs, 'parts')]);
const folder = values.cache ?? (await mkdtemp(join(tmpdir(), 'qc-unknown-')));
await mkdir(folder, { recursive: true });
try {
  const base = await baseOf(values.base, folder, photographs);
  await using session = await openSession({ base, provider: 'cpu', precision: 'fp32', threads: 0 });
  console.log('set       labels  measure   noticed  false alarms  worst draw  training');
  for (const set of values.sets.split(',')) {
    const frames = framesOf(join(photographs, 'parts', set), mostOfLabel);
    const described = await featuresOfFrames(session, folder, frames);
    for (const size of values['per-label'].split(',').map(Number)) await measure(set, described, size);
  }
} finally {
  if (values.cache === undefined) await rm(folder, { recursive: true, force: true });
}

async function measure(set: string, described: readonly FrameFeatures[], size: number): Promise<void> {
  const labels = [...new Set(described.map(({ frame }) => frame.label))].sort();
  const rates = { cosine: [] as Rates[], whitened: [] as Rates[] };
  const noticedOf = new Map<string, number[]>();
  const chosen = new Map<string, number>();
  for (let draw = 0; draw < Number(values.draws); draw++) {
    for (const [index, left] of labels.entries()) {
      const random = seededRandom(1 + 100 * draw + index);
      const mixed = new Map(
        labels.map((label) => [
          label,
          random.shuffled(described.filter(({ frame }) => frame.label === label)),
        ]),
      );
      const others = labels.filter((label) => label !== left).map((label) => mixed.get(label)!);
      const training = others.flatMap((parts) => parts.slice(0, size));
      const known = others.flatMap((parts) => parts.slice(size, size + maxKnown));
      const unknown = mixed.get(left)!.slice(0, maxUnknown);
      const group = training.map((_, i) => i);
      const rows = training.map(({ features }) => hellinger(features));
      const began = performance.now();
      const familiar = await familiarOf(training, group);
      const seconds = (performance.now() - began) / 1000;
      const before = { exemplars: rows, ...nearestCosine(rows, group) };
      for (const [name, by] of [
        ['whitened', familiar],
        ['cosine', before],
      ] as const) {
        const share = (parts: readonly FrameFeatures[]) =>
          parts.filter(({ features }) => familiarityOf(by, hellinger(features)) < by.minFamiliarity).length /
          parts.length;
        rates[name].push({ noticed: share(unknown), alarms: share(known), seconds });
      }
      noticedOf.set(left, [...(noticedOf.get(left) ?? []), rates.whitened.at(-1)!.noticed]);
      chosen.set(familiar.measure, (chosen.get(familiar.measure) ?? 0) + 1);
    }
  }
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`.padStart(7);
  for (const [name, of] of Object.entries(rates)) {
    const worst = Math.max(...of.map(({ alarms }) => alarms));
    console.log(
      `${set.padEnd(8)}  ${String(size).padStart(6)}  ${name.padEnd(8)}  ${percent(meanOf(of, 'noticed'))}  ${percent(meanOf(of, 'alarms')).padStart(12)}  ${percent(worst).padStart(10)}  ${name === 'whitened' ? `${meanOf(of, 'seconds').toFixed(1)} s` : ''}`,
    );
  }
  const each = [...noticedOf].map(
    ([label, shares]) => `${label} ${percent(shares.reduce((a, b) => a + b) / shares.length).trim()}`,
  );
  console.log(`          noticed: ${each.join(', ')}`);
  console.log(`          measures: ${[...chosen].map(([how, times]) => `${times} × ${how}`).join('; ')}`);
}

interface Rates {
  readonly noticed: number;
  readonly alarms: number;
  readonly seconds: number;
}

function meanOf(rates: readonly Rates[], of: keyof Rates): number {
  return rates.reduce((sum, one) => sum + one[of], 0) / rates.length;
}
