import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { askAgent } from '../../agent/http/ask-agent.ts';
import { makeAuthority } from '../rigs/certificates.ts';
import { freePort } from '../rigs/free-port.ts';
import { mosquittoMissing, startMosquitto } from '../rigs/mosquitto.ts';
import { startAgent } from '../rigs/plant-agent.ts';
import { makeTokens } from '../rigs/tokens.ts';
import { until } from '../rigs/until.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'qc-locked-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a secured station accepts known clients only: mqtts with certificates, HTTPS, tokens that can be revoked', async (context) => {
  if (mosquittoMissing) return context.skip(mosquittoMissing);
  using tokens = makeTokens();
  const authority = makeAuthority(folder);
  const [served, client] = [authority.issue(), authority.issue({ names: 'DNS:press-9' })];
  await using broker = await startMosquitto({ tls: 'client', certificates: authority.issue() });
  const picture = sharp({ create: { width: 300, height: 300, channels: 3, background: '#667788' } });
  await picture.png().toFile(join(folder, 'part.png'));
  const port = await freePort();
  const config = join(folder, 'agent.yaml');
  const settings = {
    station: 'press-9',
    cameras: { top: { url: 'file:./part.png', trigger: { kind: 'continuous', everyMs: 200 } } },
    mqtt: { url: broker.url, ...client },
    http: { port, host: '0.0.0.0', tokensFile: tokens.file, cert: served.cert, key: served.key },
    storage: { directory: './data' },
    log: { format: 'json' },
  };
  writeFileSync(config, stringify(settings));
  await using agent = startAgent(['run', '--config', config]);
  const { url } = (await agent.logs('page, API and metrics are served')) as unknown as { url: string };
  expect(url).toBe(`https://127.0.0.1:${port}`);
  const certificate = readFileSync(served.cert);
  const ask = (path: string, headers = {}) =>
    askAgent(new URL(path, url), { headers, signal: AbortSignal.timeout(10_000), certificate });
  await until(async () => (await ask('/readyz')).status === 200, {
    timeoutMs: 40_000,
    everyMs: 200,
    what: 'broker, camera and model to be there',
  });
  expect((await ask('/api/v1/results')).status).toBe(401);
  const results = await until(
    async () => {
      const { body } = await ask('/api/v1/results', tokens.bearer('viewer'));
      return JSON.parse(body).length > 0 && body;
    },
    { what: 'a result' },
  );
  expect(results).toContain('press-9');

  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, tokens.token.operator);
  const calibrate = () => cli('calibrate', 'on', '--config', config, '--token-file', tokenFile);
  expect(await calibrate()).toMatchObject({ code: 0, stdout: expect.stringContaining('calibrating') });
  const doctor = await cli('doctor', '--config', config);
  expect(doctor.stdout).toMatch(/ok {4}broker: mqtts:\/\/127\.0\.0\.1/);
  expect(doctor.stdout).toMatch(/ok {4}http: port \d+ on 0\.0\.0\.0 is used by this agent/);
  expect(doctor.stdout).toMatch(/warn {2}http: http\.cert .* expires in \d day/);

  tokens.write(tokens.line.viewer, tokens.line.engineer);
  await agent.logs('new tokens are used');
  expect(await calibrate()).toMatchObject({ code: 1, stderr: expect.stringContaining('unknown token') });

  const audit = await cli('audit', '--config', config);
  expect(audit.stdout).toMatch(/token:anna \(operator\) from 127\.0\.0\.1: mode mode="calibration"/);
  expect(audit.stdout).toMatch(/agent from file: tokens-reload .*count=2/);
  expect(audit.stdout).toMatch(/nobody from 127\.0\.0\.1: login: REFUSED http-unauthorized/);
  const said = agent.stderr + audit.stdout + readFileSync(join(folder, 'data/audit.jsonl'), 'utf8');
  for (const token of Object.values(tokens.token)) expect(said).not.toContain(token);
  expect((await agent.stop()).code).toBe(0);
});

async function cli(...args: string[]) {
  await using command = startAgent(args);
  const { code } = await command.exited;
  return { code, stdout: command.stdout, stderr: command.stderr };
}
