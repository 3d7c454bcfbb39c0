import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Closer } from '../../agent/lifecycle/closer.ts';
import type { ChallengeView, Result, Status } from '../../agent/publish/messages.ts';
import { fastAgent, fastBase } from '../rigs/fast-agent.ts';
import { openProbe } from '../rigs/mqtt-probe.ts';
import type { AgentProcess } from '../rigs/plant-agent.ts';
import { startBroker } from '../rigs/plant-broker.ts';
import { scrape } from '../rigs/plant-metrics.ts';
import { until } from '../rigs/until.ts';

const urlOf = async (agent: AgentProcess) =>
  String((await agent.logs('page, API and metrics are served')).url);

it('a challenge test marks its parts, does not count them, and has failed if the agent is killed during it', async () => {
  await using opened = new Closer();
  const folder = await mkdtemp(join(tmpdir(), 'qc-challenge-'));
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const broker = opened.use(await startBroker('aedes'));
  const probe = opened.use(await openProbe(broker.url));
  const heard = <T>(topic: string) => probe.on(`${fastBase}/${topic}`).map(({ json }) => json as T);
  const start = await fastAgent(folder, broker.url, 100);
  const agent = opened.use(start());
  const url = await urlOf(agent);
  const view = async () => (await (await fetch(`${url}/api/v1/challenge`)).json()) as ChallengeView;
  await until(() => heard<Result>('top/result').length > 0, { what: 'a result' });
  expect(heard<Status>('status').at(-1)).not.toHaveProperty('challenge');

  // The station has no trained model, so the part is not counted and is asked for again.
  await probe.publish(`${fastBase}/command/challenge`, { action: 'start', camera: 'top', requestId: 'R-1' });
  const reply = await probe.hears(`${fastBase}/command/challenge/reply`);
  expect(reply.json).toEqual({ schema: 1, ok: true, camera: 'top', requestId: 'R-1' });
  await probe.publish(`${fastBase}/command/challenge`, { action: 'placed' });
  const marked = await until(() => heard<Result>('top/result').find(({ challenge }) => challenge), {
    what: 'a result of the test',
  });
  expect(marked.challenge).toEqual({ part: 'bad', judged: 'uncertain', outcome: 'not-counted' });
  const isRunning = ({ challenge }: Status) => challenge?.expected?.remark === marked.reasons.join('; ');
  const said = await until(() => heard<Status>('status').find(isRunning), { what: 'the status' });
  expect(said.challenge).toMatchObject({
    state: 'running',
    expected: { camera: 'top', part: 'bad', step: 1 },
  });
  expect(await view()).toEqual(said.challenge);
  const counted = async () => (await scrape(url)).value('qc_parts_inspected_total', { camera: 'top' }) ?? 0;
  const sequence = (await until(() => heard<Result>('top/result').at(-1)))!.sequence;
  expect(await counted()).toBeGreaterThanOrEqual(sequence - 1);
  await until(
    async () => {
      // One result is not counted; both numbers grow while they are read.
      const [before, parts, after] = [
        heard<Result>('top/result').length,
        await counted(),
        heard<Result>('top/result').length,
      ];
      return before === after && parts === before - 1;
    },
    { what: 'all parts but one to be counted' },
  );

  await agent.stop('SIGKILL');
  const again = opened.use(start());
  const after = await urlOf(again);
  const degraded = await until(
    () => {
      const newest = heard<Status>('status').at(-1);
      return newest?.challenge?.state === 'failed' && newest.state === 'degraded' ? newest : undefined;
    },
    { timeoutMs: 20_000, what: 'the failure' },
  );
  expect(degraded.reasons.join()).toContain('camera top: the agent ended during the test');
  expect((await scrape(after)).value('qc_challenge_ok')).toBe(0);
  expect(await (await fetch(`${after}/readyz`)).json()).toMatchObject({ challenge: 'failed' });
});
