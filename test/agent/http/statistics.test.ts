import { expect, it } from 'vitest';
import { result } from '../../rigs/publisher.ts';
import { openStationRig } from '../../rigs/station.ts';

// biome-ignore lint/suspicious/noExplicitAny: bodies of every kind
const jsonOf = async (response: Response): Promise<any> => response.json();

it('serves counts, changes and downtimes', async () => {
  await using rig = await openStationRig();
  const now = new Date().toISOString();
  for (let i = 1; i <= 20; i++)
    rig.statistics.add(result(i, { publishedAt: now, ...(i > 3 && { verdict: 'pass', label: 'good' }) }));
  const ask = async (path: string) => jsonOf(await fetch(`${rig.http.url}/api/v1/statistics${path}`));
  for (const by of ['shift', 'hour', 'day', 'lot']) {
    const report = await ask(`?by=${by}`);
    expect(report.total, by).toMatchObject({ judged: 20, fail: 3, rate: 0.15 });
    expect(report.groups.at(-1)).toMatchObject({ judged: 20, running: by !== 'lot' });
  }
  expect((await ask('?camera=none')).total.parts).toBe(0);
  const range = `from=2026-01-01T00:00:00Z&to=${new Date(Date.now() + 1_000).toISOString()}`;
  expect(await ask(`/changes?${range}`)).toMatchObject([{ kind: 'start', before: '', after: '0.1.0' }]);
  expect(await ask(`/downtime?${range}`)).toMatchObject({ stopped: 0, intervals: [] });
});

it('refuses what it does not understand', async () => {
  await using rig = await openStationRig();
  for (const path of [
    '?by=week',
    '?from=yesterday',
    '?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z',
    '?by=hour&from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z',
    '/changes',
    '/downtime?from=2026-01-01T00:00:00Z',
  ]) {
    const response = await fetch(`${rig.http.url}/api/v1/statistics${path}`);
    expect(response.status, path).toBe(400);
    expect((await jsonOf(response)).error.code).toBe('http-invalid');
  }
});
