/** Clients that disconnect before their answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { noSetup, openStationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

it('end their check, and nobody else checks meanwhile', async () => {
  const signals: AbortSignal[] = [];
  const search = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signals.push(signal);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  await using station = await openStationRig({}, { setup: { ...noSetup, search } });
  const url = `${station.http.url}/api/v1/setup`;
  const leave = new AbortController();
  const searched = fetch(`${url}/search`, { method: 'POST', signal: leave.signal }).catch(() => 'gone');
  await until(() => signals.length === 1, { timeoutMs: 5_000, what: 'the search' });
  const broker = () =>
    fetch(`${url}/broker`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url: 'mqtt://127.0.0.1:9', username: '', password: '' }),
    });
  const busy = await broker();
  expect([busy.status, await busy.text()]).toEqual([503, expect.stringContaining('http-busy')]);
  leave.abort();
  expect(await searched).toBe('gone');
  await until(() => signals[0]?.aborted, { timeoutMs: 5_000, what: 'the end of the search' });
  expect((await broker()).status).toBe(200);
});

it('have finished the set-up all the same', async () => {
  let isStarted = false;
  let write: (() => void) | undefined;
  const written = new Promise<void>((resolve) => {
    write = resolve;
  });
  let isAsked = false;
  await using station = await openStationRig(
    {},
    {
      setup: {
        ...noSetup,
        view: { mode: 'first', file: '/nowhere/agent.yaml' },
        finish() {
          isAsked = true;
          return written;
        },
        start() {
          isStarted = true;
        },
      },
    },
  );
  const leave = new AbortController();
  const finished = fetch(`${station.http.url}/api/v1/setup/finish`, {
    method: 'POST',
    signal: leave.signal,
  }).catch(() => 'gone');
  await until(() => isAsked, { timeoutMs: 5_000, what: 'the request' });
  leave.abort();
  expect(await finished).toBe('gone');
  // The server hears of it.
  await sleep(100);
  write?.();
  await until(() => isStarted, { timeoutMs: 5_000, what: 'the start of the inspection' });
});
