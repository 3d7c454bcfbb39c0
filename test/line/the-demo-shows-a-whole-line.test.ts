import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DemoSummary } from '../../agent/demo/score.ts';
import { type Exit, startAgent } from '../rigs/plant-agent.ts';
import { copyHead } from '../rigs/plant-head.ts';

describe('the demo shows a whole line with one command', () => {
  let folder: string;
  let exit: Exit;
  let stdout: string;
  let stderr: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qc-demo-'));
    await copyHead(join(folder, 'data/demo/storage'));
    await using agent = startAgent(['demo', '--seconds', '25', '--json'], { cwd: folder });
    exit = await agent.exited;
    ({ stdout, stderr } = agent);
    console.info(stdout);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const summary = () => JSON.parse(stdout) as DemoSummary;

  it('ends automatically with a summary of parts judged once', () => {
    expect(exit).toEqual({ code: 0, signal: null });
    expect(summary().judged).toBeGreaterThan(0);
    expect(summary().doubled).toBe(0);
    const { pass, fail, uncertain } = summary().verdicts;
    expect(pass + fail + uncertain).toBeGreaterThanOrEqual(summary().judged);
  });

  it('prints the address of the page, and each verdict with the true label', () => {
    expect(stderr).toMatch(/page +http:\/\/127\.0\.0\.1:\d+/);
    expect(stderr).toMatch(/mqtt:\/\/127\.0\.0\.1:\d+/);
    expect(stderr).toMatch(/rtsp:\/\/127\.0\.0\.1:\d+/);
    expect(stderr).toMatch(/(PASS|FAIL|UNCERTAIN) .* truth: /);
  });

  it('counts in its summary each part that it printed', () => {
    const { pass, fail, uncertain } = summary().verdicts;
    const lines = stderr.match(/ (PASS|FAIL|UNCERTAIN) .* truth: (?!no part)/g) ?? [];
    expect(lines).toHaveLength(pass + fail + uncertain);
  });

  it('is correct for at least 90 % of the parts', () => {
    expect(summary().accuracy).toBeGreaterThanOrEqual(0.9);
  });
});
