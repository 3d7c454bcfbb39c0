/** `qc-agent bench`: how many cameras this machine can inspect. */
import { type Command, InvalidArgumentError, Option } from 'commander';

import { loadConfig } from '../../config/load.ts';
import { configSchema } from '../../config/schema.ts';
import type { BenchReport } from '../bench/bench.ts';
import { lostOf } from '../bench/count.ts';
import type { Step } from '../bench/step.ts';
import { json, positive } from './options.ts';
import { environment, exitWithFailure, note, pid, print, unlessStopped, untilSignal } from './shell.ts';

const help = `
Measures the model alone, then the whole agent with an increasing number of simulated cameras, until parts are lost or late. Works in a
temporary folder with a broker and cameras of its own: data, cameras and broker of --config are not used, only its model.
Exits with 1 if not even one camera fits. Stop the agent first: both would share the machine.

Examples:
  qc-agent bench
  qc-agent bench --config agent.yaml --rate 2 --cameras 32
  qc-agent bench --int8 --seconds 20 --json > bench.json`;

export function addBench(program: Command): void {
  program
    .command('bench')
    .description(
      'measure how many cameras this machine can inspect at a given rate, and the limiting resource',
    )
    .option('-c, --config <file>', 'measure the model of this config; default: the embedded base')
    .option('--cameras <n>', 'maximum number of cameras to try', numberUpTo(64), 16)
    .option('--rate <n>', 'parts per second of each camera', numberUpTo(30), 5)
    .option('--seconds <n>', 'length of each measurement, s', positive, 10)
    .option('--limit <ms>', 'maximum p99 latency from capture to subscriber, ms', positive, 250)
    .addOption(
      new Option('--size <pixels>', 'size of the camera images')
        .argParser(size)
        .default(size('1280x720'), '1280x720'),
    )
    .option(
      '--int8',
      'also measure int8; if there is no int8 variant, one is made from simulated parts for this measurement only',
    )
    .addOption(json('the figures'))
    .addHelpText('after', help)
    .action(async (options) => {
      const signal = untilSignal();
      const user = options.config === undefined ? undefined : loadConfig(options.config, environment);
      const { runBench } = await import('../bench/bench.ts');
      const { model, labels, thresholds } = configSchema.shape;
      const defaults = {
        model: model.parse(undefined),
        labels: labels.parse(undefined),
        thresholds: thresholds.parse(undefined),
      };
      const { cameras, rate, seconds, limit: limitMs, int8 = false } = options;
      const asked = { cameras, rate, seconds, limitMs, int8, ...options.size };
      const work = runBench(defaults, user, asked, { pid, signal, tell: note });
      const report = await unlessStopped(signal, 'nothing was kept', work);
      print(options.json ? JSON.stringify(report, null, 2) : benchText(report));
      if (report.fits === 0) exitWithFailure();
    });
}

const numberUpTo = (most: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new InvalidArgumentError(`a whole number from 1 to ${most} is needed.`);
  }
  return value;
};

/** Video has an even number of rows and columns. */
function size(text: string): { width: number; height: number } {
  const [width = 0, height = 0] = (/^(\d+)x(\d+)$/.exec(text) ?? []).slice(1).map(Number);
  const right = (value: number) => value % 2 === 0 && value >= 160 && value <= 4_096;
  if (!right(width) || !right(height)) {
    throw new InvalidArgumentError('two even numbers from 160 to 4096 are needed, such as 1280x720.');
  }
  return { width, height };
}

/** The report for a person. */
export function benchText(report: BenchReport): string {
  const { machine, inference, preparation, line, model, steps, fits, limit, estimates } = report;
  const load =
    machine.loadBefore > 0.5 ? '; other programs were running: the figures are only approximate' : '';
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB; Node ${machine.node}, ${machine.kernel}`,
    `load before ${machine.loadBefore.toFixed(2)}${load}`,
    '',
    ...inference.map((one) =>
      'why' in one
        ? `${one.precision.padEnd(5)} alone      not measured: ${one.why}`
        : `${one.precision.padEnd(5)} alone      ${cell(one.oneMs, 6)} ms per image, ${one.perSecond.toFixed(1)} images/s at full speed (${one.base}, ${one.provider})`,
    ),
    `preparation      ${cell(preparation.ms, 6)} ms for ${preparation.width} × ${preparation.height} pixels`,
    '',
    `The agent with ${model.base} in ${model.precision} on ${model.provider}; cameras of ${line.width} × ${line.height} at ${line.fps} frames/s, ${parts(line.rate)} each`,
    row(['', 'parts/s', 'lost', 'p50 ms', 'p95', 'p99', 'inference', 'decoding', 'loop', 'outside', 'MB']),
    ...steps.toSorted((a, b) => a.cameras - b.cameras).map((step) => stepRow(step, machine.cores)),
    'CPU time is given in % of the machine; "outside" is the simulated cameras, the broker and this program.',
    '',
    `${fits === 0 ? 'No camera fits' : `${count(fits)} at ${parts(line.rate)} ${fits > 1 ? 'fit' : 'fits'} this machine`}: no part lost, p99 of capture to subscriber within ${line.limitMs} ms.`,
    `What limits it: ${limit.by} (${limit.why}).`,
  ];
  if (estimates.length > 0) {
    const each = estimates.map(
      ({ rate, cameras }) => `${cameras === 0 ? 'none' : count(cameras)} at ${parts(rate)}`,
    );
    lines.push(
      `By calculation from its CPU time, with a fifth of the machine left free: ${each.join(', ')}.`,
    );
  }
  return lines.join('\n');
}

function stepRow({ cameras, perSecond, lost, latencyMs, cores, memoryMb, tooMuch }: Step, machine: number) {
  const share = (used: number | undefined) => (used === undefined ? '-' : cell((100 * used) / machine, 0));
  const cells = [
    String(cameras),
    perSecond.toFixed(1),
    String(lostOf(lost)),
    ...[latencyMs.p50, latencyMs.p95, latencyMs.p99].map((ms) => (Number.isFinite(ms) ? cell(ms, 0) : '-')),
    ...[cores?.inference, cores?.decoders, cores?.loop, cores?.outside].map(share),
    memoryMb === null ? '-' : cell(memoryMb, 0),
  ];
  return `${row(cells)}${tooMuch === null ? '' : `  too much: ${tooMuch}`}`;
}

const row = ([cameras = '', ...cells]: readonly string[]) =>
  `${cameras.padStart(4)} ${(cameras === '1' ? 'camera' : 'cameras').padEnd(7)} ${cells.map((one) => one.padStart(10)).join('')}`;

const parts = (rate: number) => `${rate} part${rate === 1 ? '' : 's'}/s`;
const count = (cameras: number) => `${cameras} camera${cameras === 1 ? '' : 's'}`;

/** Few digits: more would suggest a higher accuracy. */
function cell(value: number, width: number): string {
  return (value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 0 : 1)).padStart(width);
}
