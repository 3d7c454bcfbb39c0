import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { composeVerdict } from '../../../agent/publish/compose.ts';
import { resultMessage, verdictMessage } from '../../../agent/publish/messages.ts';
import { monotonicMs } from '../../../models/run/monotonic.ts';
import { closeChallenged, openChallenged } from '../../rigs/challenged.ts';
import { frameTimes } from '../../rigs/frame-times.ts';
import { until } from '../../rigs/until.ts';

afterEach(closeChallenged);

const [bad, unsure, good] = [0.05, 0.5, 0.95];
const start = { action: 'start' } as const;

describe('a challenge test', () => {
  it('passes if the bad part fails and the good part passes, and is recorded', async () => {
    const station = await openChallenged();
    expect(station.challenge.view).toBeUndefined();
    await station.challenge.carryOut(start);
    const expected = { camera: 'top', recipe: 'default', steps: 2, waitsForPlaced: false, remark: '' };
    expect(station.challenge.view).toMatchObject({
      state: 'running',
      expected: { ...expected, part: 'bad', step: 1 },
    });
    const first = await station.show(bad);
    expect(first).toMatchObject({
      verdict: 'fail',
      evaluation: 2,
      challenge: { part: 'bad', judged: 'fail', outcome: 'right' },
    });
    expect(station.challenge.view?.expected).toEqual({ ...expected, part: 'good', step: 2 });
    const second = await station.show(good);
    expect(second).toMatchObject({ evaluation: 1, challenge: { part: 'good', outcome: 'right' } });
    for (const result of [first, second]) {
      expect(resultMessage.parse(result)).toEqual(result);
      expect(verdictMessage.parse(composeVerdict(result)).challenge).toBe(result.challenge?.part);
    }
    expect(station.challenge.view).toMatchObject({ state: 'passed', reason: '' });
    expect(station.degraded).toBe('');
    const [entry] = await station.audit.read({ limit: 1 });
    expect(entry).toMatchObject({
      who: 'agent',
      action: 'challenge-result',
      outcome: 'done',
      what: { result: 'passed', cameras: 'top', recipe: 'default' },
    });
    // Ordinary parts follow.
    expect((await station.show(good)).challenge).toBeUndefined();
    expect((await station.again()).challenge.view).toEqual(station.challenge.view);
  });

  it('never publishes a bad part as passed; the station is degraded until a test succeeds, also after kill -9', async () => {
    const station = await openChallenged();
    await station.challenge.carryOut(start);
    expect(await station.show(good)).toMatchObject({
      verdict: 'uncertain',
      evaluation: 0,
      challenge: { part: 'bad', judged: 'pass', outcome: 'wrong' },
    });
    const why = 'a part known to be bad would have passed';
    expect(station.degraded).toContain(`camera top: ${why}`);
    expect(station.challenge.view).toMatchObject({ state: 'failed' });
    const [entry] = await station.audit.read({ limit: 1 });
    expect(entry).toMatchObject({ outcome: 'failed', code: 'challenge-failed', what: { cameras: 'top' } });
    const again = await station.again();
    expect(again.degraded).toContain(why);
    await again.challenge.carryOut(start);
    // Still degraded while the next test runs.
    expect(again.degraded).toContain(why);
    await again.show(bad);
    await again.show(good);
    expect(again.degraded).toBe('');
    expect((await station.again()).degraded).toBe('');
  });

  it('fails at a good part that does not pass', async () => {
    const station = await openChallenged();
    await station.challenge.carryOut(start);
    await station.show(bad);
    await station.show(unsure);
    expect(station.degraded).toContain('a part known to be good was judged uncertain');
    const text = await station.metrics.text();
    expect(text).toContain('qc_challenge_ok 0');
    expect(text).toContain('qc_challenge_state{state="failed"} 1');
    expect(text).toContain('qc_challenge_runs_total{outcome="failed"} 1');
    expect(text).toContain('qc_challenge_parts_total{camera="top",part="good",outcome="wrong"} 1');
  });

  it.each([true, false])('a bad part that is uncertain: accepted %s', async (acceptUncertain) => {
    const station = await openChallenged({ config: { acceptUncertain } });
    await station.challenge.carryOut(start);
    await station.show(unsure);
    expect(station.degraded === '').toBe(acceptUncertain);
  });

  it('asks again for a part that was not judged or whose image is in doubt: a recording proves nothing', async () => {
    const station = await openChallenged();
    await station.challenge.carryOut(start);
    const doubt = 'the image is identical to one that was judged for an earlier part';
    for (const part of [{ doubt }, { frame: { doubt } }])
      expect((await station.show(bad, part)).challenge?.outcome).toBe('not-counted');
    expect(station.challenge.view?.expected).toMatchObject({ part: 'bad', step: 1 });
    await station.show(bad);
    await station.show(good, { doubt });
    expect(station.challenge.view?.expected).toMatchObject({ part: 'good', step: 2, remark: doubt });
    expect(station.challenge.view?.state).toBe('running');
  });

  it('takes no part whose image is from before it was asked for, or has failed', async () => {
    const station = await openChallenged();
    const before = monotonicMs();
    await station.challenge.carryOut(start);
    const old = [
      { frame: { times: frameTimes(before) } },
      { frame: { firstSeenAt: before - 1 } },
      { frames: [] },
      { failure: 'camera lost' },
    ];
    for (const part of old) expect((await station.show(bad, part)).challenge).toBeUndefined();
    expect((await station.show(bad, { camera: 'side' })).challenge).toBeUndefined();
    expect((await station.show(bad)).challenge?.outcome).toBe('right');
  });

  it('waits until the part is in place if the camera judges continuously', async () => {
    const station = await openChallenged({ cameras: { top: 'continuous' } });
    await station.challenge.carryOut(start);
    for (const kind of [bad, good]) {
      expect(station.challenge.view?.expected?.waitsForPlaced).toBe(true);
      expect((await station.show(good)).challenge).toBeUndefined();
      await station.challenge.carryOut({ action: 'placed' });
      expect((await station.show(kind)).challenge?.outcome).toBe('right');
    }
    expect(station.challenge.view?.state).toBe('passed');
  });

  it('tests each camera with the configured number of parts, or only the one that is named', async () => {
    const cameras = { top: 'presence', side: 'command' };
    const station = await openChallenged({ cameras, config: { bad: 2 } });
    await station.challenge.carryOut(start);
    for (const camera of Object.keys(cameras))
      for (const kind of [bad, bad, good]) await station.show(kind, { camera });
    expect(station.challenge.view?.state).toBe('passed');
    await station.challenge.carryOut({ action: 'start', camera: 'side' });
    await station.show(good, { camera: 'side' });
    expect(station.degraded).toContain('camera side:');
    expect(station.degraded).not.toContain('camera top:');
    const unknown = station.challenge.carryOut({ action: 'start', camera: 'none' });
    await expect(unknown).rejects.toMatchObject({ code: 'camera-unknown' });
  });

  it('can be cancelled, but what was seen counts', async () => {
    const station = await openChallenged();
    const cancel = { action: 'cancel' } as const;
    await expect(station.challenge.carryOut(cancel)).rejects.toMatchObject({ code: 'challenge-idle' });
    await station.challenge.carryOut(start);
    await expect(station.challenge.carryOut(start)).rejects.toMatchObject({ code: 'challenge-running' });
    await station.challenge.carryOut(cancel);
    expect((await station.show(good)).challenge).toBeUndefined();
    expect(station.degraded).toBe('');
    expect((await station.again()).degraded).toBe('');
    await station.challenge.carryOut(start);
    await station.show(good);
    await expect(station.challenge.carryOut(cancel)).rejects.toMatchObject({ code: 'challenge-idle' });
    expect(station.degraded).not.toBe('');
  });

  it('fails if it does not end in time', async () => {
    const station = await openChallenged({ config: { withinMinutes: 0.001 } });
    await station.challenge.carryOut(start);
    await until(() => station.degraded !== '', { what: 'the failure' });
    expect(station.degraded).toContain('the bad part at camera top is missing');
  });

  it('has failed if the agent was killed during the test', async () => {
    const station = await openChallenged();
    await station.challenge.carryOut(start);
    await station.show(bad);
    const again = await station.again();
    expect(again.degraded).toContain('camera top: the agent ended during the test');
    expect((await station.again()).degraded).toBe(again.degraded);
  });
});

describe('the record of the challenge test', () => {
  it('has failed if it is damaged, and the file is set aside', async () => {
    const station = await openChallenged();
    await station.challenge.carryOut(start);
    await station.show(bad);
    await station.show(good);
    await writeFile(join(station.directory, 'challenge.json'), '{"schema":1');
    const again = await station.again();
    expect(again.degraded).toContain('was damaged and has been renamed to challenge.json.damaged');
    expect(await readFile(join(station.directory, 'challenge.json.damaged'), 'utf8')).toBe('{"schema":1');
  });

  it('must be on disk: otherwise no test starts, and none has passed', async () => {
    const station = await openChallenged();
    const block = async () => {
      await rm(station.directory, { recursive: true });
      await writeFile(station.directory, '');
    };
    await station.challenge.carryOut(start);
    await station.show(bad);
    await block();
    let isShown = false;
    const showing = station.show(good).finally(() => {
      isShown = true;
    });
    // Not even for a moment does it claim to have passed.
    while (!isShown) {
      expect(station.challenge.view).not.toHaveProperty('passedAt');
      await nextTurn();
    }
    await showing;
    expect(station.degraded).toContain('its success could not be stored');
    await expect(station.challenge.carryOut(start)).rejects.toMatchObject({ code: 'challenge-unsaved' });
  });
});

describe('a scheduled challenge test', () => {
  const at = (day: number, hours: number, minutes = 0) => new Date(2026, 10, day, hours, minutes).getTime();
  let now = at(28, 10);
  const config = { times: ['06:00', '18:00'], withinMinutes: 15 };
  const open = () => openChallenged({ config, now: () => now });
  const told = async (station: Awaited<ReturnType<typeof open>>, state: string) => {
    await until(() => station.challenge.view?.state === state, { what: state });
    await until(async () => (await station.metrics.text()).includes(`{state="${state}"} 1`), { what: state });
  };

  it('is due at once, then at each of its times, and overdue after the time limit, also over restarts', async () => {
    let station = await open();
    expect(station.challenge.view).toMatchObject({
      state: 'due',
      deadline: new Date(at(28, 10, 15)).toISOString(),
    });
    expect(station.degraded).toBe('');
    now = at(28, 10, 15);
    await told(station, 'overdue');
    expect(station.degraded).toContain('the challenge test is overdue since');
    station = await station.again();
    expect(station.degraded).toContain('overdue');
    await station.challenge.carryOut(start);
    await station.show(bad);
    await station.show(good);
    await told(station, 'passed');
    expect(station.degraded).toBe('');
    now = at(28, 17, 59);
    station = await station.again();
    expect(station.challenge.view?.state).toBe('passed');
    now = at(28, 18);
    await told(station, 'due');
    // The agent does not run when the time limit passes.
    now = at(28, 18, 30);
    station = await station.again();
    expect(station.challenge.view).toMatchObject({
      state: 'overdue',
      deadline: new Date(at(28, 18, 15)).toISOString(),
    });
    now = at(30, 5);
    await until(() => station.degraded.includes(new Date(at(29, 18, 15)).toISOString()));
  });

  it('is not satisfied by a success in the future, from a clock that was wrong', async () => {
    now = at(28, 10) + 365 * 86_400_000;
    const station = await open();
    await station.challenge.carryOut(start);
    await station.show(bad);
    await station.show(good);
    await told(station, 'passed');
    now = at(29, 7);
    expect((await station.again()).challenge.view?.state).not.toBe('passed');
  });
});
