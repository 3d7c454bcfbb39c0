import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createToken } from '../../agent/http/tokens.ts';
import { QcError } from '../../config/errors.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { createCalibrationRig } from '../rigs/calibration.ts';
import { openStationRig } from '../rigs/station.ts';

const roles = ['viewer', 'operator', 'engineer'] as const;

/** The API with a token for each role. */
async function open(folder: string) {
  const tokens = new Map(roles.map((role) => [role, createToken(`${role}-1`, role)]));
  const tokensFile = join(folder, 'tokens');
  await writeFile(tokensFile, [...tokens.values()].map(({ line }) => `${line}\n`).join(''));
  const calibration = createCalibrationRig();
  const rig = await openStationRig({ tokensFile }, { calibration });
  const ask = async (role: (typeof roles)[number], path: string, body?: unknown) => {
    const response = await fetch(`${rig.http.url}/api/v1/${path}`, {
      headers: {
        authorization: `Bearer ${tokens.get(role)!.token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json().catch(() => undefined)) as never };
  };
  return { rig, calibration, ask };
}

describe('access to calibration', () => {
  it('a viewer views, an operator labels, trains and promotes, an engineer overrides the quality gate', async () => {
    await using folder = await tempFolder();
    const { rig, calibration, ask } = await open(folder.path);
    await using _ = rig;
    const [candidate] = calibration.waiting;
    const label = { resultId: candidate!.resultId, label: 'dent' };
    expect((await ask('viewer', 'calibration')).status).toBe(200);
    expect((await ask('viewer', 'labels', label)).status).toBe(403);
    expect((await ask('viewer', 'training/start', {})).status).toBe(403);
    expect((await ask('operator', 'labels', label)).status).toBe(200);
    expect((await ask('operator', 'training/start', {})).status).toBe(200);
    calibration.gate = { allowed: false, reason: 'it is worse' };
    calibration.finish();
    const { candidate: version } = (await ask('viewer', 'calibration')).body as { candidate: string };
    const refused = await ask('operator', `models/${version}/promote`, {});
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'gate-refused' } } });
    const override = { override: 'the customer wants it' };
    expect(await ask('operator', `models/${version}/promote`, override)).toMatchObject({
      status: 403,
      body: {
        error: { code: 'http-forbidden', message: expect.stringContaining('needs the role engineer') },
      },
    });
    expect((await ask('engineer', `models/${version}/promote`, override)).status).toBe(200);
  });
});

describe('an invalid request', () => {
  it('is refused with the fault: names, ids, sizes', async () => {
    await using folder = await tempFolder();
    const { rig, calibration, ask } = await open(folder.path);
    await using _ = rig;
    const { resultId } = calibration.waiting[0]!;
    for (const [path, body] of [
      ['labels', { resultId: 'none', label: 'dent' }],
      ['labels', { resultId, label: '' }],
      ['labels', { resultId, label: 'x'.repeat(301) }],
      ['dataset/relabel', { ids: ['../../etc/passwd'], label: 'dent' }],
      ['dataset/remove', { ids: [] }],
      ['training/start', { escapeRate: 0 }],
      ['training/start', { augment: ['snow'] }],
      ['models/..%2F..%2Fetc/promote', {}],
      ['models/2026-11-23.1/promote', { override: 'x' }],
    ] as const) {
      const answer = await ask('engineer', path, body);
      expect([path, answer.status]).toEqual([path, 400]);
      expect(answer.body).toMatchObject({ error: { code: 'http-invalid' } });
    }
    expect((await ask('viewer', `dataset/frames/${'0'.repeat(64)}.png`)).status).toBe(404);
    calibration.failure = new QcError('label-invalid', '"a/b" cannot be a label');
    expect(await ask('operator', 'labels', { resultId, label: 'a/b' })).toMatchObject({
      status: 400,
      body: { error: { code: 'label-invalid' } },
    });
  });
});
