import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { AuditEntry } from '../../agent/audit/entry.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { startAgent } from '../rigs/plant-agent.ts';

it('every change is recorded, from every interface, also if the agent is killed immediately afterwards', async () => {
  await using plant = await openPlant({ trigger: { kind: 'continuous', everyMs: 300 } });
  await plant.ready();
  const post = async (path: string, body: object = {}) =>
    (
      await fetch(`${plant.url}/api/v1/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      })
    ).status;
  expect(await post('mode', { mode: 'calibration' })).toBe(200);
  const [result] = await plant.nextResults(1);
  expect(await post('labels', { resultId: result!.resultId, label: 'scratch' })).toBe(200);
  expect((await plant.command('mode', { mode: 'inspection' })).ok).toBe(true);
  expect((await plant.command('model', { action: 'promote', version: 'none' })).ok).toBe(false);
  expect(await cli(plant, 'models', 'rollback')).toMatchObject({ code: 2 });
  // Neither an invalid command nor an invalid body ends the agent or leaves a gap.
  const hostile = { camera: { length: { toString: 1 } }, jobId: [{ toString: 1 }] };
  expect(await plant.command('abort', hostile)).toMatchObject({
    ok: false,
    error: { code: 'command-invalid' },
  });
  expect(await post('models/rollback', { x: [{ toString: 1 }] })).toBe(400);
  expect(await post('dataset/undo', { x: [{ toString: 1 }] })).toBe(400);
  expect(await post('dataset/undo')).toBe(200);
  plant.agent.kill('SIGKILL');
  await plant.agent.exited;

  const { stdout } = await cli(plant, 'audit', '--json');
  const entries = JSON.parse(stdout) as AuditEntry[];
  const told = entries.map(
    ({ who, action, outcome }) => `${who.replace(/^cli:.*/, 'cli')} ${action} ${outcome}`,
  );
  expect(told).toEqual([
    'local mode done',
    'local label done',
    `mqtt:${plant.topic}/command/mode mode done`,
    `mqtt:${plant.topic}/command/model model refused`,
    'cli rollback refused',
    `mqtt:${plant.topic}/command/abort abort refused`,
    'local rollback refused',
    'local undo refused',
    'local undo done',
  ]);
  expect(entries[1]!.what).toEqual({ resultId: result!.resultId, label: 'scratch' });
  const proof = await cli(plant, 'audit', '--verify');
  expect(proof).toMatchObject({ code: 0, stdout: expect.stringContaining('intact: 9 entries') });
  // The log has the hash of every line, which shows missing lines.
  const hashes = plant.agent.logLines
    .filter(({ component }) => component === 'audit')
    .map(({ hash }) => hash);
  const lines = readFileSync(join(plant.storage, 'audit.jsonl'), 'utf8').trimEnd().split('\n');
  const own = entries.filter(({ who }) => !who.startsWith('cli:')).map(({ hash }) => hash);
  expect([lines.length, hashes]).toEqual([9, own]);
});

async function cli(plant: Plant, ...args: string[]) {
  await using command = startAgent([...args, '--config', join(plant.storage, '../agent.yaml')]);
  const { code } = await command.exited;
  return { code, stdout: command.stdout, stderr: command.stderr };
}
