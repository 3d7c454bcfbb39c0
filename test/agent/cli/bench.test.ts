import { describe, expect, it } from 'vitest';
import type { BenchReport } from '../../../agent/bench/bench.ts';
import { benchText } from '../../../agent/cli/bench.ts';

const step: BenchReport['steps'][number] = {
  cameras: 3,
  startedAt: '2026-11-25T00:00:00.000Z',
  seconds: 10,
  parts: 150,
  perSecond: 15,
  asked: 15,
  lost: { skipped: 0, gaps: 0, failed: 0 },
  latencyMs: { p50: 30, p95: 41, p99: 52 },
  cores: { inference: 0.6, loop: 0.1, decoders: 0.2, outside: 0.04 },
  memoryMb: 412.4,
  tooMuch: null,
};
const report: BenchReport = {
  schema: 1,
  machine: { cpu: 'A CPU', cores: 2, memoryGb: 8, node: 'v20.19.0', kernel: '6.1', loadBefore: 0.1 },
  inference: [
    {
      base: 'a-base',
      precision: 'fp32',
      provider: 'cpu',
      oneMs: 48.4,
      perSecond: 24.31,
      input: {} as never,
    },
    { precision: 'int8', why: 'the base a-base has no int8 variant' },
  ],
  preparation: { width: 450, height: 450, ms: 0.93 },
  line: { width: 1280, height: 720, fps: 10, rate: 5, limitMs: 250 },
  model: { base: 'a-base', precision: 'fp32', provider: 'cpu' },
  steps: [step, { ...step, cameras: 4, tooMuch: '7 parts lost', cores: null, memoryMb: null }],
  fits: 3,
  limit: { by: 'inference', why: '4 cameras: 7 parts lost' },
  estimates: [
    { rate: 1, cameras: 1 },
    { rate: 20, cameras: 0 },
  ],
};

describe('the report of a measurement, as text', () => {
  const lines = benchText(report).split('\n');
  const line = (start: string) => lines.find((one) => one.trimStart().startsWith(start));

  it('names the machine, the model alone and why something was not measured', () => {
    expect(lines[0]).toBe('A CPU, 2 cores, 8 GB; Node v20.19.0, 6.1');
    expect(line('fp32')).toContain('48 ms per image, 24.3 images/s');
    expect(line('int8')).toContain('not measured: the base a-base has no int8 variant');
  });

  it('gives each step a row, in % of the machine, and marks the one that was too much', () => {
    expect(line('3 cameras ')?.split(/\s+/).slice(1)).toEqual(
      '3 cameras 15.0 0 30 41 52 30 10 5.0 2.0 412'.split(' '),
    );
    expect(line('4 cameras ')).toMatch(/ - +- +- +- +- {2}too much: 7 parts lost$/);
  });

  it('states the number of cameras, the limit, and which figures are calculated', () => {
    expect(line('3 cameras at 5 parts/s fit this machine')).toContain('within 250 ms');
    expect(line('What limits it')).toBe('What limits it: inference (4 cameras: 7 parts lost).');
    expect(line('By calculation')).toContain('1 camera at 1 part/s, none at 20 parts/s');
  });

  it('reports that no camera fits, and that other programs used the machine', () => {
    const busy = benchText({ ...report, fits: 0, machine: { ...report.machine, loadBefore: 3 } });
    expect(busy).toContain('No camera fits');
    expect(busy).toContain('the figures are only approximate');
  });
});
