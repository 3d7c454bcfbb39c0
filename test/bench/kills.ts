/**
 * Kills agent and broker at random moments (kill -9), with and without traffic, in some cases while the store of the outbox
 * fails; reports lost results and repeated numbers. `npm run kills -- --kills 60 [--seed N] [--json FILE]`
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../calibration/train/random.ts';
import { fastCameras } from '../rigs/fast-agent.ts';
import { gapsIn, openKillings } from '../rigs/killings.ts';
import { mosquittoMissing } from '../rigs/mosquitto.ts';
import { shimMissing } from '../rigs/shim.ts';
import { type Row, reached, table } from './harness.ts';
import { readOptions, refuse } from './options.ts';

const usage = `Usage: npm run kills -- [--kills 60] [--seed N] [--json FILE]

Kills agent and broker at random moments and reports lost results and repeated numbers (docs/benchmarks.md).`;
const { values } = readOptions(usage, {
  options: {
    kills: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
if (mosquittoMissing) refuse(mosquittoMissing, 1);
const random = seededRandom(Number(values.seed));
const folder = await mkdtemp(join(tmpdir(), 'qc-kills-'));
const counts = new Map<string, number>();
try {
  await using killings = await openKillings({ folder, random, shimmed: !shimMissing });
  const { historian, killed } = killings;
  let turn: string[] = [];
  while (killed.agents + killed.brokers < Number(values.kills)) {
    // Each kind once in random order, then all again; every second one while results are sent.
    if (turn.length === 0) turn = random.shuffled([...killings.kinds]);
    const kind = turn.pop()!;
    if (turn.length % 2 === 0) await killings.flows(100);
    await sleep(random.next() * 2_000);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    await killings.happens(kind);
  }
  const { newest, waiting, dropped } = await killings.finish();
  const over = (of: 'missing' | 'gaps', came: typeof historian.results | typeof historian.verdicts) =>
    fastCameras.reduce((sum, camera) => sum + gapsIn(came.get(camera) ?? [], newest.get(camera) ?? 0)[of], 0);
  const none = { atMost: 0 };
  const rows: Row[] = [
    { what: 'kills of the agent', figure: killed.agents, unit: '' },
    { what: 'kills of the broker', figure: killed.brokers, unit: '' },
    { what: 'results', figure: killings.results, unit: '' },
    { what: 'deliveries of results and verdicts', figure: historian.deliveries, unit: '' },
    { what: 'results that never came', figure: over('missing', historian.results), unit: '', target: none },
    { what: 'verdicts that never came', figure: over('missing', historian.verdicts), unit: '', target: none },
    { what: 'numbers used for two parts', figure: historian.ambiguous.length, unit: '', target: none },
    { what: 'gaps where the newest number was uncertain', figure: over('gaps', historian.results), unit: '' },
    { what: 'messages that the outbox dropped', figure: dropped, unit: '', target: none },
    { what: 'messages left in the outbox', figure: waiting, unit: '', target: none },
  ];
  console.log([...counts].map(([kind, count]) => `${kind} ${count}`).join(', '));
  console.log(table(`kills, seed ${values.seed}`, rows));
  if (values.json !== undefined) {
    await writeFile(values.json, JSON.stringify({ rows, counts: [...counts] }, undefined, 2));
  }
  if (rows.some((row) => reached(row) === false)) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
