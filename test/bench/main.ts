/** `npm run bench -- [NAMES] [--seconds N] [--minutes N] [--json FILE]`: what each means is in docs/benchmarks.md. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { calibration } from './calibration.ts';
import { decode } from './decode.ts';
import { reached, table } from './harness.ts';
import { latency } from './latency.ts';
import { loop } from './loop.ts';
import { describeMachine } from './machine.ts';
import { memory } from './memory.ts';
import { outbox } from './outbox.ts';
import { precision } from './precision.ts';
import { startup } from './startup.ts';
import { throughput } from './throughput.ts';
import { openWorkshop } from './workshop.ts';

const benchmarks = [throughput, decode, memory, startup, loop, latency, outbox, calibration, precision];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '8' },
    minutes: { type: 'string', default: '2' },
    json: { type: 'string' },
  },
});
const names = benchmarks.map(({ name }) => name);
const unknown = positionals.find((name) => !names.includes(name));
const seconds = Number(values.seconds);
const minutes = Number(values.minutes);
if (unknown !== undefined || !(seconds > 0) || !(minutes > 0)) {
  const wrong = unknown === undefined ? 'seconds and minutes must be positive' : `no benchmark "${unknown}"`;
  console.error(`error: ${wrong}; there are ${names.join(', ')}`);
  process.exit(2);
}

const machine = describeMachine();
const startedAt = new Date().toISOString();
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB; Node ${machine.node}, Linux ${machine.kernel}; ` +
    `load before ${machine.loadBefore.toFixed(2)}`,
);
if (machine.loadBefore > 0.5) console.log('Others use this machine: trust nothing but coarse ratios.');

await using workshop = await openWorkshop({ seconds, minutes });
const rows = [];
for (const benchmark of benchmarks) {
  if (positionals.length > 0 && !positionals.includes(benchmark.name)) continue;
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
