import { spawnSync } from 'node:child_process';
import { mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../config/package.ts';

const bench = (args: string[], env = process.env) =>
  spawnSync(process.execPath, [join(packageRoot, 'dist/test/bench/main.js'), ...args], {
    encoding: 'utf8',
    env,
  });

test('bench --help lists the benchmarks and the options', () => {
  const { status, stdout, stderr } = bench(['--help']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain('throughput, decode, memory');
  expect(stdout).toContain('--precision fp32|int8');
});

test.each([
  ['an unknown option', ['--fast'], "error: Unknown option '--fast'"],
  ['an unknown benchmark', ['speed'], 'error: no benchmark "speed"'],
])('bench answers %s with one line', (_what, args, line) => {
  const { status, stderr } = bench(args);
  expect(status).toBe(2);
  expect(stderr).toContain(line);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test('bench without ffmpeg says what to install', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qc-path-'));
  symlinkSync(process.execPath, join(folder, 'node'));
  const { status, stderr } = bench(['throughput'], { ...process.env, PATH: folder });
  expect(status).toBe(1);
  expect(stderr.trim()).toBe(
    'error: throughput cannot run here: there is no ffmpeg command (apt-get install ffmpeg)',
  );
});
