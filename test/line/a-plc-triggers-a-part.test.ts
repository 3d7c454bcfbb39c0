import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Reply, Result } from '../../agent/publish/messages.ts';
import { mosquittoMissing } from '../rigs/mosquitto.ts';
import { openProbe } from '../rigs/mqtt-probe.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

const trigger = { kind: 'command', timeoutMs: 3_000 };

describe('a PLC triggers a part', () => {
  let plant: Plant;
  beforeAll(async () => {
    // A slow camera, so that the first frames after a trigger were captured before it.
    plant = await openPlant({ trigger, vote: 5, camera: { latencyMs: 400 } });
    await plant.ready();
  });
  afterAll(() => plant?.[Symbol.asyncDispose]());

  it('by MQTT 3.1.1, and the answer has the job id of the result', async () => {
    const askedAt = Date.now();
    const sent = { camera: 'top', partId: 'A-1234', requestId: 'R-1' };
    const reply = await plant.command('trigger', sent);
    expect(reply).toEqual({ schema: 1, ok: true, ...sent, jobId: expect.any(String) });
    const result = await resultOf(plant, reply);
    expect(result).toMatchObject({ partId: 'A-1234', state: 'completed', votes: { frames: 5 } });
    expect(Date.parse(result.capturedAt)).toBeGreaterThanOrEqual(askedAt);
    const verdict = await until(() => plant.verdicts.find(({ jobId }) => jobId === reply.jobId), {
      what: 'its verdict',
    });
    expect(verdict).toMatchObject({ partId: 'A-1234', sequence: result.sequence });
  });

  it('by HTTP', async () => {
    const askedAt = Date.now();
    const reply = await post(plant, { camera: 'top', partId: 'A-1235' });
    expect(reply).toEqual({ status: 200, body: { schema: 1, ok: true, jobId: expect.any(String) } });
    const result = await resultOf(plant, reply.body);
    expect(result.partId).toBe('A-1235');
    expect(Date.parse(result.capturedAt)).toBeGreaterThanOrEqual(askedAt);
  });

  it('gets the answer busy for a second trigger', async () => {
    const replies = await Promise.all(
      [1, 2].map((n) => post(plant, { camera: 'top', partId: `twin-${n}` }).then(({ body }) => body)),
    );
    expect(replies.filter(({ ok }) => ok).length).toBe(1);
    const refused = replies.find(({ ok }) => !ok);
    expect(refused?.error).toMatchObject({ code: 'busy' });
    await resultOf(plant, replies.find(({ ok }) => ok)!);
    expect(plant.results.filter(({ partId }) => partId.startsWith('twin')).length).toBe(1);
  });

  it('gets a refusal with the reason for an impossible trigger', async () => {
    const before = plant.results.length;
    const code = async (payload: object) => (await plant.command('trigger', payload)).error?.code;
    expect(await code({ camera: 'side' })).toBe('camera-unknown');
    expect(await code({ camera: 'top', recipe: 'other' })).toBe('recipe-unknown');
    expect(await code({ camera: 'top', issuedAt: '2020-01-01T00:00:00Z' })).toBe('command-stale');
    expect(await code({ kamera: 'top' })).toBe('command-invalid');
    expect(plant.results.length).toBe(before);
  });

  it('is refused while the camera is down, and no result follows', async () => {
    const before = plant.results.length;
    await plant.line.stop();
    await plant.says((status) => status.online && status.state === 'degraded', 'the camera is down');
    expect(await plant.command('trigger', { camera: 'top' })).toMatchObject({
      ok: false,
      error: { code: 'camera-down' },
    });
    expect(await post(plant, { camera: 'top' })).toMatchObject({ status: 503 });
    await plant.line.start();
    await plant.says((status) => status.online && status.state === 'inspecting', 'the camera is back');
    const result = await resultOf(plant, await plant.command('trigger', { camera: 'top' }));
    expect(result.sequence).toBe(before + 1);
  });
});

it('a PLC with MQTT 5 gets the answer on its response topic, and its retained trigger is refused', async (context) => {
  if (mosquittoMissing) return context.skip(mosquittoMissing);
  await using plant = await openPlant({ broker: 'mosquitto', trigger });
  await plant.ready();
  await using plc = await openProbe(plant.broker.url, { version: 5 });
  const command = `${plant.topic}/command/trigger`;
  await plc.publish(
    command,
    { camera: 'top', partId: 'A-7' },
    { properties: { responseTopic: 'plc/7/answer', correlationData: Buffer.from('job 7') } },
  );
  const answer = await plc.hears('plc/7/answer');
  expect(answer.correlation).toBe('job 7');
  expect(answer.json).toMatchObject({ ok: true });
  expect((await resultOf(plant, answer.json)).partId).toBe('A-7');
  expect(plc.on(`${command}/reply`)).toEqual([]);

  await plc.publish(command, { camera: 'top', partId: 'A-8' }, { retain: true });
  expect((await plc.hears(`${command}/reply`)).json.error.code).toBe('command-retained');
  await plc.publish(command, '', { retain: true });
  expect(plant.results.map(({ partId }) => partId)).toEqual(['A-7']);
});

function resultOf(plant: Plant, { jobId }: Reply): Promise<Result> {
  return until(() => plant.results.find((result) => result.jobId === jobId), {
    what: `the result of ${jobId}`,
  });
}

async function post(plant: Plant, body: object): Promise<{ status: number; body: Reply }> {
  const answer = await fetch(`${plant.url}/api/v1/trigger`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Reply };
}
