import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Handshake, Reply, Result } from '../../agent/publish/messages.ts';
import { handshakeMessage } from '../../agent/publish/messages.ts';
import { mosquittoMissing } from '../rigs/mosquitto.ts';
import { openProbe } from '../rigs/mqtt-probe.ts';
import { openPlant, type Plant, type PlantSettings } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

const command = { kind: 'command', timeoutMs: 5_000 };

/** `top` requires acknowledgement of results; the names describe the others. */
async function cameras(_storage: string, { cameras: { top } }: PlantSettings): Promise<object> {
  return {
    cameras: {
      top: { ...top, trigger: { ...command, jobs: 2, acknowledgeMs: 60_000 } },
      slow: { ...top, vote: { frames: 12 }, trigger: { ...command, resultMs: 60_000 } },
      fast: { ...top, vote: { frames: 2 }, maxFps: 25, trigger: { ...command, jobs: 4 } },
      hasty: { ...top, vote: { frames: 12 }, trigger: { ...command, resultMs: 200, acknowledgeMs: 300 } },
    },
  };
}

describe('a PLC and the agent follow the handshake', () => {
  let plant: Plant;
  beforeAll(async () => {
    plant = await openPlant({
      broker: mosquittoMissing ? 'aedes' : 'mosquitto',
      trigger: command,
      settings: cameras,
    });
    await plant.ready();
    for (const camera of ['top', 'slow', 'fast', 'hasty']) await shows(plant, camera, isReady);
  });
  afterAll(() => plant?.[Symbol.asyncDispose]());

  it('step by step: ready, acquiring, judging, result ready, acknowledged', async () => {
    const before = told(plant, 'top').length;
    const { jobId } = await accepted(plant.command('trigger', { camera: 'top', partId: 'A-1' }));
    const ready = await shows(plant, 'top', ({ jobs }) => jobs[0]?.state === 'result-ready');
    const result = await resultOf(plant, 'top', jobId);
    const { resultId, sequence, state, verdict, evaluation } = result;
    expect(ready).toMatchObject({
      state: 'ready',
      jobs: [{ jobId, partId: 'A-1', result: { resultId, sequence, state, verdict, evaluation } }],
    });
    const small = await until(() => plant.verdicts.find((one) => one.jobId === jobId), {
      what: 'its verdict',
    });
    expect(small).toMatchObject({ sequence, partId: 'A-1', verdict, evaluation });
    const acknowledge = { camera: 'top', jobId };
    expect(await plant.command('acknowledge', acknowledge)).toEqual({ schema: 1, ok: true, ...acknowledge });
    expect(await plant.command('acknowledge', { camera: 'top', jobId })).toMatchObject({ ok: true });
    await shows(plant, 'top', ({ jobs }) => jobs.length === 0);

    const order = ['requested', 'acquiring', 'judging', 'result-ready'];
    const steps = told(plant, 'top')
      .slice(before)
      .flatMap(({ jobs }) => jobs.map((job) => order.indexOf(job.state)));
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    // A new subscriber receives it immediately.
    await using late = await openProbe(plant.broker.url);
    const heard = await late.hears(`${plant.topic}/top/handshake`);
    expect(heard).toMatchObject({ retained: true, json: { state: 'ready', jobs: [] } });
  });

  it('with two jobs at a time; a third is busy until a result is acknowledged', async () => {
    const jobs: string[] = [];
    for (const partId of ['B-1', 'B-2']) {
      await shows(plant, 'top', isReady);
      jobs.push((await accepted(plant.command('trigger', { camera: 'top', partId }))).jobId);
    }
    const full = await shows(
      plant,
      'top',
      ({ state, jobs }) => state === 'busy' && jobs.every((j) => j.result),
    );
    expect(full.reason).toContain('waiting for acknowledgement');
    const third = await plant.command('trigger', { camera: 'top', partId: 'B-3' });
    expect(third).toMatchObject({ ok: false, error: { code: 'busy' } });
    for (const jobId of jobs) await plant.command('acknowledge', { camera: 'top', jobId });
    await shows(plant, 'top', isReady);
    for (const jobId of jobs) expect(resultsOf(plant, 'top', jobId)).toHaveLength(1);
    expect(plant.results.some(({ partId }) => partId === 'B-3')).toBe(false);
  });

  it('a repeated trigger is the same job, a repeated part id is not', async () => {
    const send = () => plant.command('trigger', { camera: 'top', partId: 'same', requestId: 'R-1' });
    const [first, second] = [await accepted(send()), await accepted(send())];
    expect(second).toMatchObject({ jobId: first.jobId, repeated: true });
    await resultOf(plant, 'top', first.jobId);
    await plant.command('acknowledge', { camera: 'top', jobId: first.jobId });
    expect(await accepted(send())).toMatchObject({ jobId: first.jobId, repeated: true });
    const other = await accepted(plant.command('trigger', { camera: 'top', partId: 'same' }));
    expect(other.jobId).not.toBe(first.jobId);
    await resultOf(plant, 'top', other.jobId);
    await plant.command('acknowledge', { camera: 'top', jobId: other.jobId });
    expect(resultsOf(plant, 'top', first.jobId)).toHaveLength(1);
  });

  it('an aborted job, or one that takes too long, has a result other than pass', async () => {
    const slow = await accepted(plant.command('trigger', { camera: 'slow' }));
    const next = await plant.command('trigger', { camera: 'slow' });
    expect(next.error).toMatchObject({ code: 'busy' });
    expect(await plant.command('abort', { camera: 'slow', jobId: slow.jobId })).toMatchObject({ ok: true });
    expect(await resultOf(plant, 'slow', slow.jobId)).toMatchObject({
      state: 'aborted',
      verdict: 'uncertain',
      evaluation: 0,
    });
    const hasty = await accepted(plant.command('trigger', { camera: 'hasty' }));
    expect(await resultOf(plant, 'hasty', hasty.jobId)).toMatchObject({
      state: 'failed',
      evaluation: 0,
      reasons: ['there was no result within 200 ms'],
    });
    // It is not acknowledged: shown and counted, and the line continues.
    await shows(plant, 'hasty', (view) => view.unacknowledged === 1 && isReady(view));
    await plant.says(
      (status) => status.online && status.reasons.join().includes('not acknowledged within 300 ms'),
      'that were not acknowledged',
    );
    const metrics = await plant.metrics();
    expect(metrics.value('qc_results_unacknowledged_total', { camera: 'hasty' })).toBe(1);
    expect(metrics.value('qc_jobs_total', { camera: 'hasty', outcome: 'failed' })).toBe(1);
    expect(metrics.value('qc_jobs_total', { camera: 'slow', outcome: 'aborted' })).toBe(1);
    expect(metrics.value('qc_triggers_refused_total', { camera: 'slow', reason: 'busy' })).toBe(1);
  });

  it('invalid commands are refused: unknown, unfinished, stale, from the future, retained', async () => {
    const refused = async (name: string, payload: object) => (await plant.command(name, payload)).error?.code;
    const { jobId } = await accepted(plant.command('trigger', { camera: 'slow' }));
    expect(await refused('acknowledge', { camera: 'slow', jobId })).toBe('job-unfinished');
    expect(await refused('acknowledge', { camera: 'top', jobId })).toBe('job-unknown');
    expect(await refused('abort', { camera: 'slow', jobId: 'nobody' })).toBe('job-unknown');
    for (const name of ['acknowledge', 'abort', 'trigger']) {
      const order = { camera: 'slow', ...(name !== 'trigger' && { jobId }) };
      for (const issuedAt of ['2020-01-01T00:00:00Z', '2100-01-01T00:00:00Z'])
        expect(await refused(name, { ...order, issuedAt })).toBe('command-stale');
    }
    const abort = `${plant.topic}/command/abort`;
    await plant.probe.publish(abort, { camera: 'slow', jobId }, { retain: true });
    await plant.probe.publish(abort, '', { retain: true });
    const replies = () => plant.probe.on(`${abort}/reply`).map(({ json }) => json.error?.code);
    await until(() => replies().includes('command-retained'), { what: 'the refusal of a retained command' });
    expect(await resultOf(plant, 'slow', jobId)).toMatchObject({ state: 'completed' });
  });

  it('over HTTP the answer may be the result itself', async () => {
    const answer = await post(plant, 'trigger?waitMs=20000', { camera: 'top', partId: 'H-1' });
    expect(answer).toMatchObject({
      status: 200,
      body: { ok: true, result: { partId: 'H-1', state: 'completed' } },
    });
    const { jobId } = answer.body;
    expect(await post(plant, 'acknowledge', { camera: 'top', jobId })).toMatchObject({ status: 200 });
    expect(await post(plant, 'acknowledge', { camera: 'top', jobId: 'nobody' })).toMatchObject({
      status: 404,
    });

    // The images of this one take longer than the wait.
    const late = await post(plant, 'trigger?waitMs=1', { camera: 'slow', requestId: 'H-2' });
    expect(late).toMatchObject({ status: 504, body: { error: { code: 'no-result' } } });
    const again = await post(plant, 'trigger', { camera: 'slow', requestId: 'H-2' });
    expect(again.body).toMatchObject({ ok: true, repeated: true });
    const job = `${plant.url}/api/v1/jobs/${again.body.jobId}`;
    expect((await fetch(job)).status).toBe(504);
    const result = await fetch(`${job}?waitMs=20000`);
    expect(await result.json()).toMatchObject({ jobId: again.body.jobId, state: 'completed' });
    expect((await fetch(`${plant.url}/api/v1/jobs/nobody?waitMs=10`)).status).toBe(404);
    const views = (await (await fetch(`${plant.url}/api/v1/handshakes`)).json()) as Handshake[];
    expect(views.map(({ camera }) => camera)).toEqual(['top', 'slow', 'fast', 'hasty']);
  });

  it('at the maximum rate of triggers, each job gets one result, in order', async () => {
    const jobs: string[] = [];
    for (let n = 0; n < 8; ) {
      const { status, body } = await post(plant, 'trigger', { camera: 'fast', partId: `P-${n}` });
      if (status === 409) continue;
      expect(status).toBe(200);
      jobs.push(body.jobId!);
      n++;
    }
    const results = () => plant.probe.on(`${plant.topic}/fast/result`).map(({ json }) => json as Result);
    await until(() => results().length >= 8, { what: 'every result', timeoutMs: 30_000 });
    expect(results().map(({ jobId }) => jobId)).toEqual(jobs);
    expect(results().map(({ partId }) => partId)).toEqual(jobs.map((_, n) => `P-${n}`));
    const open = told(plant, 'fast').map((view) => view.jobs.length);
    expect(Math.max(...open)).toBeGreaterThan(1);
    expect(Math.max(...open)).toBeLessThanOrEqual(4);
  });

  it('a restart during a job is visible, and the earlier jobs are reported as lost', async () => {
    const before = await shows(plant, 'slow', isReady);
    const lost = await accepted(plant.command('trigger', { camera: 'slow' }));
    // The disk has it a little later than the PLC.
    const journal = join(plant.storage, 'jobs', 'slow.json');
    await until(async () => (await readFile(journal, 'utf8').catch(() => '')).includes(lost.jobId), {
      what: 'the journal',
    });
    await plant.restart('SIGKILL');
    expect(plant.statuses.some((status) => !status.online)).toBe(true);
    const after = await shows(plant, 'slow', (view) => isReady(view) && view.session !== before.session);
    expect(after).toMatchObject({ jobs: [], gone: [lost.jobId] });
    const answer = await plant.command('acknowledge', { camera: 'slow', jobId: lost.jobId });
    expect(answer.error?.code).toBe('job-unknown');
    expect(resultsOf(plant, 'slow', lost.jobId)).toEqual([]);

    // After a regular stop, every job has its result.
    const ended = await accepted(plant.command('trigger', { camera: 'slow' }));
    await plant.restart('SIGTERM');
    expect(told(plant, 'slow').some(({ reason }) => reason === 'the agent is stopped')).toBe(true);
    expect(await resultOf(plant, 'slow', ended.jobId)).toMatchObject({ state: 'aborted', evaluation: 0 });
    const { session } = after;
    expect(await shows(plant, 'slow', (view) => isReady(view) && view.session !== session)).toMatchObject({
      gone: [],
    });
  });
});

const isReady = ({ state }: Handshake) => state === 'ready';

function told(plant: Plant, camera: string): Handshake[] {
  return plant.probe.on(`${plant.topic}/${camera}/handshake`).map(({ json }) => handshakeMessage.parse(json));
}

/** Waits until the newest handshake matches. */
function shows(plant: Plant, camera: string, wanted: (view: Handshake) => boolean): Promise<Handshake> {
  return until(
    () => {
      const view = told(plant, camera).at(-1);
      return view && wanted(view) ? view : undefined;
    },
    { what: `a handshake of ${camera}`, timeoutMs: 30_000 },
  );
}

async function accepted(reply: Promise<Reply>): Promise<Reply & { jobId: string }> {
  const { jobId, ...rest } = await reply;
  expect(rest).toMatchObject({ ok: true });
  return { ...rest, jobId: jobId! };
}

function resultsOf(plant: Plant, camera: string, jobId: string): Result[] {
  return plant.probe
    .on(`${plant.topic}/${camera}/result`)
    .map(({ json }) => json as Result)
    .filter((result) => result.jobId === jobId);
}

function resultOf(plant: Plant, camera: string, jobId: string): Promise<Result> {
  return until(() => resultsOf(plant, camera, jobId)[0], {
    what: `the result of ${jobId}`,
    timeoutMs: 30_000,
  });
}

async function post(plant: Plant, path: string, body: object): Promise<{ status: number; body: Reply }> {
  const answer = await fetch(`${plant.url}/api/v1/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Reply };
}
