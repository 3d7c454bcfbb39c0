/** The report as a person reads it. */
import type { BenchReport } from './bench.ts';
import { lostOf } from './count.ts';
import type { Step } from './step.ts';

export function textOf(report: BenchReport): string {
  const { machine, inference, preparation, line, model, steps, fits, limit, estimates } = report;
  const load = machine.loadBefore > 0.5 ? '; others used it meanwhile: trust coarse ratios only' : '';
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB; Node ${machine.node}, ${machine.kernel}`,
    `load before ${machine.loadBefore.toFixed(2)}${load}`,
    '',
    ...inference.map((one) =>
      'why' in one
        ? `${one.precision.padEnd(5)} alone      not measured: ${one.why}`
        : `${one.precision.padEnd(5)} alone      ${cell(one.oneMs, 6)} ms a picture, ${one.perSecond.toFixed(1)} pictures/s at full speed (${one.base}, ${one.provider})`,
    ),
    `preparation      ${cell(preparation.ms, 6)} ms for ${preparation.width} × ${preparation.height} pixels`,
    '',
    `The agent with ${model.base} in ${model.precision} on ${model.provider}; cameras of ${line.width} × ${line.height} at ${line.fps} frames/s, ${parts(line.rate)} each`,
    row(['', 'parts/s', 'lost', 'p50 ms', 'p95', 'p99', 'inference', 'decoding', 'loop', 'outside', 'MB']),
    ...steps.toSorted((a, b) => a.cameras - b.cameras).map((step) => stepRow(step, machine.cores)),
    'CPU time is given in % of the machine; outside are the drawn cameras, the broker and this program.',
    '',
    `${fits === 0 ? 'Not even one camera fits' : `${count(fits)} at ${parts(line.rate)} ${fits > 1 ? 'fit' : 'fits'} this machine`}: no part lost, p99 of capture to subscriber within ${line.limitMs} ms.`,
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

/** Few digits: more would claim more than was measured. */
function cell(value: number, width: number): string {
  return (value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 0 : 1)).padStart(width);
}
