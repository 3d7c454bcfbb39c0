/**
 * `npm run bench -- [NAMES] [--seconds N] [--minutes N] [--precision fp32|int8] [--json FILE]`; docs/benchmarks.md
 * describes each benchmark.
 */
import { writeFile } from 'node:fs/promises';
import { describeMachine } from '../../agent/bench/machine.ts';
import { calibration } from './calibration.ts';
import { cameras } from './cameras.ts';
import { decode } from './decode.ts';
import { halfLoad } from './half-load.ts';
import { reached, table } from './harness.ts';
import { latency } from './latency.ts';
import { loop } from './loop.ts';
import { memory } from './memory.ts';
import { readOptions, refuse } from './options.ts';
import { outbox } from './outbox.ts';
import { peers } from './peers.ts';
import { precision } from './precision.ts';
import { prepare } from './prepare.ts';
import { startup } from './startup.ts';
import { throughput } from './throughput.ts';
import { openWorkshop } from './workshop.ts';

const benchmarks = [
  throughput,
  decode,
  memory,
  startup,
  loop,
  latency,
  outbox,
  calibration,
  precision,
  prepare,
  cameras,
  halfLoad,
  peers,
];

// The benchmarks of accuracy have their own options and need no workshop.
if (process.argv[2] === 'heads') {
  process.argv.splice(2, 1);
  await import('./small-defects.ts');
  process.exit(process.exitCode);
}
if (process.argv[2] === 'good-only') {
  process.argv.splice(2, 1);
  await import('./good-only.ts');
  process.exit(process.exitCode);
}

if (process.argv[2] === 'adaptation') {
  process.argv.splice(2, 1);
  await import('./adaptation.ts');
  process.exit(process.exitCode);
}

const names = benchmarks.map(({ name }) => name);
const usage = `Usage: npm run bench -- [NAMES] [OPTIONS]

Measures the agent next to a bare onnxruntime loop, as ratios in one run. docs/benchmarks.md describes each benchmark.

Names (default: all): ${names.join(', ')}

Options:
  --seconds N             length of one measurement (8)
  --minutes N             how long memory is watched (2)
  --precision fp32|int8   one precision only
  --json FILE             write the figures to a file

\`npm run bench -- heads --help\`, \`good-only --help\` and \`adaptation --help\` describe the benchmarks of heads from few labels, from good
parts alone, and after a change of light or focus, which have options of their own.

Most of them need Linux, ffmpeg and GStreamer's RTSP server.

Examples:
  npm run bench -- throughput loop --seconds 5
  npm run bench -- memory --minutes 10 --json figures.json`;

const { values, positionals } = readOptions(usage, {
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '8' },
    minutes: { type: 'string', default: '2' },
    precision: { type: 'string' },
    json: { type: 'string' },
  },
});
const unknown = positionals.find((name) => !names.includes(name));
const seconds = Number(values.seconds);
const minutes = Number(values.minutes);
const precisions = (['fp32', 'int8'] as const).filter((one) => (values.precision ?? one) === one);
if (unknown !== undefined) refuse(`no benchmark "${unknown}"; there are ${names.join(', ')}`);
if (!(seconds > 0) || !(minutes > 0)) refuse('seconds and minutes must be positive');
if (precisions.length === 0) refuse(`no precision "${values.precision}"; there are fp32 and int8`);

const runnable = benchmarks.filter((benchmark) => {
  if (positionals.length > 0 && !positionals.includes(benchmark.name)) return false;
  const missing = benchmark.missing?.();
  if (missing === undefined) return true;
  if (positionals.length > 0) refuse(`${benchmark.name} cannot run here: ${missing}`, 1);
  console.log(`${benchmark.name} is left out: ${missing}`);
  return false;
});

const machine = describeMachine();
const startedAt = new Date().toISOString();
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB; Node ${machine.node}, Linux ${machine.kernel}; ` +
    `load before ${machine.loadBefore.toFixed(2)}`,
);
if (machine.loadBefore > 0.5)
  console.log('Other programs use this machine: only large differences are significant.');

await using workshop = await openWorkshop({ seconds, minutes, precisions });
const rows = [];
for (const benchmark of runnable) {
  const measured = await benchmark.run(workshop);
  console.log(table(benchmark.name, measured));
  rows.push(...measured.map((row) => ({ benchmark: benchmark.name, ...row, reached: reached(row) })));
}
if (values.json) {
  await writeFile(
    values.json,
    `${JSON.stringify({ machine, startedAt, seconds, minutes, rows }, null, 2)}\n`,
  );
}
