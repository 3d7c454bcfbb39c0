import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SettingsAnswer, SettingsView } from '../../../agent/settings/messages.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { type AgentProcess, startAgent } from '../../rigs/plant-agent.ts';
import { copyHead } from '../../rigs/plant-head.ts';
import { until } from '../../rigs/until.ts';

const text = (images: string) => `# the station at the press
station: press-3   # its name

cameras:
  top:
    url: file:${images}
    region: { x: 0, y: 0, width: 1, height: 1 } # all of it
    trigger: { kind: continuous, everyMs: 500 }
mqtt: { url: "mqtt://127.0.0.1:9" }
labels:
  good: [good] # meaning of good
http: { port: 0 }
log: { format: json }
`;

let folder: Awaited<ReturnType<typeof tempFolder>>;
let agent: AgentProcess;
let url: string;
const file = () => join(folder.path, 'agent.yaml');

beforeAll(async () => {
  folder = await tempFolder();
  const images = join(folder.path, 'images');
  await sharp({ create: { width: 320, height: 240, channels: 3, background: '#777' } })
    .png()
    .toFile(`${images}.png`);
  await writeFile(file(), text(`${images}.png`), { mode: 0o640 });
  await copyHead(join(folder.path, 'data'));
  agent = startAgent(['run', '--config', file()], { cwd: folder.path, env: { QC_MODEL__PROVIDER: 'cpu' } });
  url = await served(1);
  await until(async () => (await status()).model !== 'none', { timeoutMs: 20_000, what: 'the model' });
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** The address of the page after the nth start. */
async function served(nth: number): Promise<string> {
  const lines = () => agent.logLines.filter(({ msg }) => msg === 'page, API and metrics are served');
  await until(() => lines().length >= nth, { timeoutMs: 20_000, what: `start ${nth}` });
  return String(lines()[nth - 1]!.url);
}

async function ask<T>(path: string, method = 'GET', body?: object): Promise<{ code: number; body: T }> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url + path, { method, ...(body && { headers, body: JSON.stringify(body) }) });
  return { code: answer.status, body: (await answer.json()) as T };
}
const view = async () => (await ask<SettingsView>('/api/v1/config')).body;
const status = async () =>
  (await ask<{ station: string; model: string; reasons: string[] }>('/api/v1/status')).body;
type Refused = { error: { code: string; message: string; remedy: string } };

async function change(changes: readonly [string, unknown][], more: object = {}) {
  const all = changes.map(([path, value]) => ({ path: path.split('.'), value }));
  return ask<SettingsAnswer & Refused>('/api/v1/config', 'PATCH', {
    hash: (await view()).hash,
    changes: all,
    ...more,
  });
}

describe('the settings', () => {
  it('are shown with their defaults, and with the variables that decide them', async () => {
    const { values, environment, pending, fault, live } = await view();
    expect(values).toMatchObject({ station: 'press-3', labels: { good: ['good'] }, mqtt: { retain: true } });
    expect(environment).toEqual({ 'model.provider': 'QC_MODEL__PROVIDER' });
    expect([pending, fault]).toEqual([[], '']);
    expect(live).toContain('cameras.*.region');
  });

  it('take effect at once where possible, in the file with its comments and in a running line', async () => {
    const { code, body } = await change([
      ['labels.good', ['other']],
      ['cameras.top.region', { x: 0.25, y: 0, width: 0.5, height: 1 }],
    ]);
    expect([code, body.pending]).toEqual([200, []]);
    expect(body.changes.map(({ key, applies }) => [key, applies])).toEqual([
      ['cameras.top.region.x', 'now'],
      ['cameras.top.region.width', 'now'],
      ['labels.good', 'now'],
    ]);
    const written = await readFile(file(), 'utf8');
    expect(written).toContain('  good: [other] # meaning of good');
    expect(written).toContain('region: { x: 0.25, y: 0, width: 0.5, height: 1 } # all of it');
    expect((await status()).reasons.join()).toContain('labels.good: other');
    const cameras = (await ask<{ region: object }[]>('/api/v1/cameras')).body;
    expect(cameras[0]?.region).toEqual({ x: 0.25, y: 0, width: 0.5, height: 1 });
    const copy = await readFile(join(folder.path, body.copy!), 'utf8');
    expect(copy).toContain('good: [good] # meaning of good');
    expect((await stat(file())).mode & 0o777).toBe(0o640);
    await change([['labels.good', ['good']]]);
    expect((await status()).reasons.join()).not.toContain('labels.good');
  });

  it('are checked without being changed', async () => {
    const before = await readFile(file(), 'utf8');
    const { hash } = await view();
    const check = (path: string, value: unknown) =>
      ask<SettingsAnswer>('/api/v1/config/check', 'POST', {
        hash,
        changes: [{ path: path.split('.'), value }],
      });
    const bad = (await check('cameras.top.region.width', 0.9)).body;
    expect(bad).toMatchObject({ ok: false, copy: null });
    expect(bad.problems[0]).toMatchObject({ key: 'cameras.top.region.width' });
    expect((await check('http.port', 8443)).body.changes).toEqual([
      { key: 'http.port', before: 0, after: 8443, applies: 'restart' },
    ]);
    expect(await readFile(file(), 'utf8')).toBe(before);
  });

  it.each([
    ['thresholds.pass', 2, 400, 'config-invalid', 'thresholds.pass'],
    ['thresholds.passs', 0.9, 400, 'config-invalid', 'did you mean pass'],
    ['mqtt.password', 'hunter2', 400, 'config-invalid', 'a password must not be in this file'],
    ['cameras.top.url', 'rtsp://u:hunter2@h/a', 400, 'config-invalid', 'contains a password'],
    ['model.provider', 'auto', 409, 'config-from-environment', 'QC_MODEL__PROVIDER'],
    ['model', { provider: 'auto' }, 409, 'config-from-environment', 'QC_MODEL__PROVIDER'],
    ['__proto__.x', 1, 400, 'config-invalid', 'unknown key'],
  ])('%s = %j is refused', async (key, value, code, error, what) => {
    const before = await readFile(file(), 'utf8');
    const answer = await change([[key, value]]);
    expect([answer.code, answer.body.error.code]).toEqual([code, error]);
    expect(answer.body.error.message).toContain(what);
    expect(JSON.stringify(answer.body)).not.toContain('hunter2');
    expect(await readFile(file(), 'utf8')).toBe(before);
  });

  it('are refused if someone changed the file meanwhile', async () => {
    const { hash } = await view();
    await writeFile(file(), (await readFile(file(), 'utf8')).replace('# its name', '# the name'));
    const answer = await change([['station', 'press-4']], { hash });
    expect([answer.code, answer.body.error.code]).toEqual([409, 'config-changed']);
  });

  it('store a password in its own file, which only the owner can read', async () => {
    const secrets = [{ path: ['mqtt', 'passwordFile'], value: 'hunter2' }];
    const { code, body } = await change([['mqtt.username', 'press-3']], { secrets });
    expect([code, body.pending]).toEqual([200, ['mqtt.username', 'mqtt.passwordFile']]);
    const secret = join(folder.path, 'secrets/mqtt');
    expect(await readFile(secret, 'utf8')).toBe('hunter2\n');
    expect([(await stat(secret)).mode & 0o777, (await stat(join(secret, '..'))).mode & 0o777]).toEqual([
      0o600, 0o700,
    ]);
    expect(JSON.stringify([body, await view()])).not.toContain('hunter2');
    const everything = [agent.stderr, await readFile(join(folder.path, 'data/audit.jsonl'), 'utf8')].join();
    expect(everything).not.toContain('hunter2');
    expect(await readFile(file(), 'utf8')).toContain('passwordFile: ./secrets/mqtt');
  });

  it('are recorded with old and new values', async () => {
    type Entry = { action: string; outcome: string; code: string | null; what: Record<string, string> };
    const entries = (await ask<Entry[]>('/api/v1/audit?action=config&limit=100')).body;
    expect(entries.at(-1)).toMatchObject({
      outcome: 'done',
      what: { 'labels.good': '["good"] → ["other"]' },
    });
    expect(entries[0]).toMatchObject({ outcome: 'done', what: { secrets: 'mqtt.passwordFile' } });
    expect(entries.some(({ code }) => code === 'config-from-environment')).toBe(true);
  });

  it('that need a restart take effect after one in the same process', async () => {
    const answer = await change([['station', 'press-4']]);
    expect(answer.body.pending).toContain('station');
    expect((await ask('/api/v1/restart', 'POST')).code).toBe(200);
    url = await served(2);
    expect((await view()).pending).toEqual([]);
    expect((await view()).values.station).toBe('press-4');
    expect((await ask<{ what: object }[]>('/api/v1/audit?action=restart&limit=1')).body).toHaveLength(1);
    const copies = (await readdir(folder.path)).filter((name) => name.startsWith('agent.yaml.'));
    expect(copies.length).toBeGreaterThan(3);
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  });
});
