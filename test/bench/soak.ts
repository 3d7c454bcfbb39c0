/**
 * Runs a station for a long time under random faults, repeatable by seed; reports lost results and leaks. `npm run soak --
 * --minutes 30 [--seed N] [--json FILE]`
 */
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../../agent/bench/figures.ts';
import { describeMachine } from '../../agent/bench/machine.ts';
import { mixSeeds, seededRandom } from '../../calibration/train/random.ts';
import {
  type ChaosPlant,
  type Fault,
  faults,
  nothingIsMissing,
  openChaosPlant,
  strike,
} from '../rigs/chaos.ts';
import { sendGarbageCommands, sendGarbageRequests } from '../rigs/garbage.ts';
import { madeHead } from '../rigs/plant-head.ts';
import { type Row, reached, slope, table } from './harness.ts';
import { readOptions } from './options.ts';

const usage = `Usage: npm run soak -- [--minutes 30] [--seed N] [--json FILE]

Runs a station under random faults and reports what was lost and what leaked (docs/benchmarks.md).`;
const { values } = readOptions(usage, {
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const random = seededRandom(Number(values.seed));
/** Time in which caches fill and code is compiled, min. */
const warmUp = Math.min(3, minutes / 5);

const garbage: Fault = {
  name: 'garbage',
  async begin({ plant }) {
    const chance = seededRandom(mixSeeds(Number(values.seed), random.integer(2 ** 31)));
    await sendGarbageCommands(plant.probe, plant.topic, 50, chance);
    await sendGarbageRequests(plant.url, 50, chance);
  },
  end: async () => undefined,
};

interface Sample {
  /** min */
  readonly at: number;
  readonly rssMb: number;
  readonly mainRssMb: number;
  readonly files: number;
  readonly processes: number;
}

console.log(JSON.stringify(describeMachine()));
await madeHead();
await using chaos = await openChaosPlant({ diskMb: 200, shimmed: true, everyMs: 200 });
const kinds = ([garbage, ...Object.values(faults)] as Fault[]).filter(
  ({ name }) => (chaos.disk || name !== faults.diskFull.name) && (chaos.shim || !/slow|clock/.test(name)),
);
const startedAt = performance.now();
const elapsed = () => (performance.now() - startedAt) / 60_000;
const samples: Sample[] = [];
const recoveries: number[] = [];
const counts = new Map<string, number>();
const failures: string[] = [];
let turn: Fault[] = [];

while (elapsed() < minutes) {
  // Each fault once in random order, then all again.
  if (turn.length === 0) turn = random.shuffled(kinds);
  const fault = turn.pop()!;
  const lastsMs = random.between(500, 6_000);
  counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1);
  await strike(chaos, fault, lastsMs);
  const overAt = performance.now();
  try {
    await chaos.recovers(60_000);
    recoveries.push((performance.now() - overAt) / 1000);
  } catch (error) {
    failures.push(`${fault.name} after ${elapsed().toFixed(1)} min: ${(error as Error).message}`);
  }
  samples.push({ at: elapsed(), ...chaos.vitals() });
  await sleep(random.between(500, 3_000));
}
await chaos.recovers(60_000).catch((error: Error) => failures.push(`at the end: ${error.message}`));
await nothingIsMissing(chaos).catch((error: Error) => failures.push(error.message));
await report(chaos);

async function report({ plant, sequences }: ChaosPlant): Promise<void> {
  const { newest, missing, repeated } = sequences();
  const metrics = await plant.metrics();
  const warm = samples.filter(({ at }) => at >= warmUp);
  const growth = (key: 'rssMb' | 'mainRssMb' | 'files' | 'processes') =>
    slope(warm.map((one) => ({ x: one.at, y: one[key] })));
  const rows: Row[] = [
    { what: 'time', figure: elapsed(), unit: 'min' },
    { what: 'faults', figure: [...counts.values()].reduce((sum, count) => sum + count, 0), unit: '' },
    { what: 'results at the subscriber', figure: newest, unit: '' },
    { what: 'sequence numbers that never arrived', figure: missing.length, unit: '', target: { atMost: 0 } },
    { what: 'results that arrived more than once', figure: repeated, unit: '' },
    {
      what: 'messages dropped',
      figure: metrics.value('qc_outbox_dropped_total') ?? Number.NaN,
      unit: '',
      target: { atMost: 0 },
    },
    {
      what: 'faults without recovery',
      figure: failures.length,
      unit: '',
      target: { atMost: 0 },
    },
    { what: 'back to normal after a fault: median', figure: percentile(recoveries, 0.5), unit: 's' },
    { what: 'back to normal after a fault: longest', figure: Math.max(...recoveries), unit: 's' },
    { what: 'RSS of all processes at the end', figure: samples.at(-1)?.rssMb ?? Number.NaN, unit: 'MB' },
    {
      what: `slope of RSS after ${warmUp.toFixed(1)} min`,
      figure: growth('rssMb'),
      unit: 'MB/min',
      target: { below: 1 },
    },
    { what: 'slope of the main process alone', figure: growth('mainRssMb'), unit: 'MB/min' },
    { what: 'open files after the first fault', figure: samples[0]?.files ?? Number.NaN, unit: '' },
    { what: 'open files at the end', figure: samples.at(-1)?.files ?? Number.NaN, unit: '' },
    { what: 'their slope', figure: growth('files'), unit: '1/min', target: { below: 0.5 } },
    { what: 'processes at the end', figure: samples.at(-1)?.processes ?? Number.NaN, unit: '' },
    { what: 'their slope', figure: growth('processes'), unit: '1/min', target: { below: 0.05 } },
  ];
  console.log([...counts].map(([name, count]) => `${name} ${count}`).join(', '));
  console.log(table('soak', rows));
  for (const failure of failures) console.log(`failed: ${failure}`);
  if (values.json !== undefined) {
    await writeFile(
      values.json,
      JSON.stringify({ rows, counts: [...counts], failures, samples }, undefined, 2),
    );
  }
  if (rows.some((row) => reached(row) === false)) process.exitCode = 1;
}
