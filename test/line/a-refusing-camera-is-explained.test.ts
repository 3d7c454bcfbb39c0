import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openOddCamera } from '../rigs/odd-camera.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

it('limits its log-ins, reports why no image arrives, and frees the only session of a camera', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qc-refused-'));
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, 'wrong');
  const login = { user: 'qc', password: 'right', offers: ['MD5', 'SHA-256'], qop: 'auth' } as const;
  await using camera = await openOddCamera({ login, maxSessions: 1 });
  await using plant = await openPlant({
    trigger: { kind: 'continuous', everyMs: 200 },
    camera: { url: camera.url.replace('//', '//qc@'), passwordFile, freezeMs: 0 },
  });

  const refused =
    /rejects user or password .* the next log-in follows in 1 min, or at once if .*password changes/;
  await plant.agent.logs(refused);
  expect(await notReady(plant)).toMatch(refused);
  expect(plant.status).toMatchObject({ reasons: expect.arrayContaining([expect.stringMatching(refused)]) });
  await writeFile(passwordFile, 'right\r\n');
  await plant.nextResults(2);
  expect(camera).toMatchObject({ wrongLogins: 1, sessions: 1 });

  camera.video = 'keyless';
  await plant.restart('SIGTERM');
  const keyless = /data arrives, but no key frame, .* set the I-frame interval/;
  await until(async () => keyless.test(await notReady(plant)), {
    timeoutMs: 20_000,
    everyMs: 200,
    what: 'the reason',
  });
  expect(
    (await plant.metrics()).value('qc_camera_condition', { camera: 'top', condition: 'no-key-frame' }),
  ).toBe(1);

  expect(await plant.stop()).toBe(0);
  expect(camera).toMatchObject({ wrongLogins: 1, sessions: 0 });
  await rm(folder, { recursive: true });
});

async function notReady({ url }: Plant): Promise<string> {
  const answer = await fetch(`${url}/readyz`);
  expect(answer.status).toBe(503);
  return answer.text();
}
