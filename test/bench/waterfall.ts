/** `npm run waterfall -- [FILE]`: draws docs/waterfall.svg from some hundred parts of one camera at 5 a second (docs/timings.md). */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../../agent/bench/figures.ts';
import { describeMachine } from '../../agent/bench/machine.ts';
import { firstVerdict } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { drawWaterfall } from './draw-waterfall.ts';
import { observe } from './observe.ts';
import { readOptions, refuse } from './options.ts';
import { stageTimes } from './stages.ts';
import { openWorkshop } from './workshop.ts';

const usage = `Usage: npm run waterfall -- [FILE]

Measures where the time of a part goes and draws it (default: docs/waterfall.svg). docs/timings.md explains the picture.`;
const { positionals } = readOptions(usage, { allowPositionals: true });
const missing = clipCameraMissing();
if (missing) refuse(missing, 1);

const everyMs = 200;
const seconds = 25;
const threads = availableParallelism();
const machine = describeMachine();

await using workshop = await openWorkshop({ seconds, minutes: 1, precisions: ['fp32'] });
const bare = await workshop.bare({ threads, options: 'agent', seconds: 8, everyMs });
await using camera = await workshop.camera({ width: 640, height: 480, fps: 25, seconds: seconds + 60 });
const trigger = { kind: 'continuous', everyMs };
await using agent = await workshop.agent({
  cameras: { line: { url: camera.url, trigger } },
  threads,
});
await firstVerdict(agent);
await sleep(2_000);
const { arrived } = await observe(agent, seconds);
const judged = arrived.filter(({ result }) => result.state === 'completed');

const row = (name: string, values: readonly number[]) => ({
  name,
  median: percentile(values, 0.5),
  p99: percentile(values, 0.99),
});
const svg = drawWaterfall({
  stages: stageTimes(judged, 'store, publish').map(({ what, values }) => row(what, values)),
  total: row(
    'capture to verdict',
    judged.map(({ result }) => result.timingsMs.total),
  ),
  bare: row('bare inference', bare.milliseconds),
  caption:
    `${judged.length} parts, one camera 640 × 480, 5 parts a second, fp32, ${threads} threads; ` +
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load before ${machine.loadBefore.toFixed(1)}`,
});
await writeFile(positionals[0] ?? 'docs/waterfall.svg', svg);
