import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { mosquittoMissing } from '../rigs/mosquitto.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

const passwords = {
  camera: 'Kamera@geheim/42:%x',
  broker: 'Broker geheim#7&?',
};
/** Unchanged, and as written in an address, in JSON, or in HTTP Basic. */
const spellings = Object.values(passwords).flatMap((password) => [
  password,
  encodeURIComponent(password),
  encodeURI(password),
  JSON.stringify(password).slice(1, -1),
  Buffer.from(`agent:${password}`).toString('base64'),
  Buffer.from(`viewer:${password}`).toString('base64'),
]);
const pages = [
  '/',
  '/metrics',
  '/readyz',
  '/api/v1/status',
  '/api/v1/cameras',
  '/api/v1/results',
  '/api/v1/openapi.json',
];

it('passwords never appear: not in logs, metrics, messages, pages or the process list', async () => {
  await using plant = await openPlant({
    broker: mosquittoMissing ? 'aedes' : 'mosquitto',
    users: { agent: passwords.broker, probe: 'probe' },
    line: { user: 'viewer', password: passwords.camera },
    trigger: { kind: 'continuous', everyMs: 200 },
    camera: { stallMs: 1_000 },
  });
  await plant.ready();
  const seen = new Map<string, string>();
  const look = async (when: string) => {
    for (const path of pages) seen.set(`${path} ${when}`, await (await fetch(plant.url + path)).text());
    seen.set(`command lines ${when}`, commandLines(plant));
  };
  await plant.nextResults(2);
  await look('while all is well');

  // Faults cause most messages.
  await plant.line.disconnectAll();
  await plant.line.stop();
  await plant.broker.die();
  await plant.agent.logs(/broker|hung up/);
  await look('while camera and broker are offline');
  await plant.line.start();
  await plant.brokerComesBack();
  await until(async () => (await fetch(`${plant.url}/readyz`)).ok, { everyMs: 50, timeoutMs: 20_000 });
  await plant.nextResults(2);
  await look('when all are online again');
  seen.set('messages', JSON.stringify(plant.probe.heard.map(({ topic, json }) => ({ topic, json }))));
  expect(await plant.stop()).toBe(0);
  seen.set('standard error', plant.agent.stderr);
  seen.set('standard output', plant.agent.stdout);

  for (const [where, text] of seen) {
    for (const spelling of spellings) expect(text.includes(spelling), `a password in ${where}`).toBe(false);
  }
  // The agent judged parts and logged the address of its camera.
  expect(plant.results.length).toBeGreaterThan(2);
  expect(plant.agent.stderr).toContain('rtsp://127.0.0.1');
});

it('a wrong password is reported, but not revealed', async () => {
  await using plant = await openPlant({
    line: { user: 'viewer', password: 'right' },
    env: { QC_CAMERAS__TOP__PASSWORD: passwords.camera },
    trigger: { kind: 'continuous', everyMs: 200 },
  });
  const { code } = await plant.agent.logs('camera');
  expect(code).toBe('camera-unauthorized');
  const status = await (await fetch(`${plant.url}/api/v1/cameras`)).text();
  for (const text of [plant.agent.stderr, status, commandLines(plant)])
    for (const spelling of spellings) expect(text).not.toContain(spelling);
});

/** Command lines of the agent's processes, as shown by `ps`. */
function commandLines(plant: Plant): string {
  return plant.agent
    .processes()
    .map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))
    .join('\n');
}
