/** Tokens, sessions, limits and certificates over real sockets. */

import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as rawRequest } from 'node:http';
import { Agent, get as getSecurely, request as requestSecurely } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askAgent } from '../../../agent/http/ask-agent.ts';
import type { Role } from '../../../agent/http/roles.ts';
import { makeAuthority } from '../../rigs/certificates.ts';
import { openStationRig, type StationRig } from '../../rigs/station.ts';
import { makeTokens, type TokenRig } from '../../rigs/tokens.ts';
import { until } from '../../rigs/until.ts';

let tokens: TokenRig;
beforeAll(() => {
  tokens = makeTokens();
});
afterAll(() => tokens?.[Symbol.dispose]());

const json = { 'content-type': 'application/json' };

/** As in a browser: requests of the page state their origin. */
async function logIn(rig: StationRig, token: string): Promise<Response> {
  const body = JSON.stringify({ token });
  const headers = { ...json, 'sec-fetch-site': 'same-origin' };
  return fetch(`${rig.http.url}/api/v1/session`, { method: 'POST', body, headers });
}

async function session(rig: StationRig, role: Role) {
  const response = await logIn(rig, tokens.token[role]);
  expect(response.status).toBe(200);
  const set = response.headers.get('set-cookie') ?? '';
  const cookie = set.split(';')[0]!;
  const ask = async (method: string, path: string, headers: Record<string, string> = {}, body?: object) => {
    const { status } = await fetch(rig.http.url + path, {
      method,
      redirect: 'manual',
      headers: { cookie, ...(body && json), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    return status;
  };
  return { set, cookie, ask, who: await response.json() };
}

const page = { 'sec-fetch-site': 'same-origin' };
const mode = { mode: 'calibration' };

describe.concurrent('sessions', () => {
  it('represent a token, with a cookie that no script and no other site can use, and end on request', async () => {
    await using rig = await openStationRig({ tokensFile: tokens.file });
    const anna = await session(rig, 'operator');
    expect(anna.who).toEqual({ name: 'anna', role: 'operator', tokens: true, session: true });
    expect(anna.set).toMatch(/^qc-press-3=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(await anna.ask('GET', '/api/v1/status')).toBe(200);
    expect(await anna.ask('GET', '/')).toBe(200);
    expect(await anna.ask('POST', '/api/v1/mode', page, mode)).toBe(200);
    expect(await anna.ask('GET', '/api/v1/audit')).toBe(403);
    expect(await anna.ask('DELETE', '/api/v1/session', page)).toBe(200);
    expect(await anna.ask('GET', '/api/v1/status')).toBe(401);
    expect(rig.recorded.map(({ who, role, action, outcome }) => [who, role, action, outcome])).toEqual([
      ['token:anna', 'operator', 'login', 'done'],
      ['token:anna', 'operator', 'mode', 'done'],
      ['token:anna', 'operator', 'logout', 'done'],
    ]);
    const all = JSON.stringify(rig.recorded) + rig.log.join('');
    for (const secret of [tokens.token.operator, anna.cookie.split('=')[1]!])
      expect(all).not.toContain(secret);
  });

  it('allow no change to a page of another site, nor to a request of unknown origin', async () => {
    await using rig = await openStationRig({ tokensFile: tokens.file });
    const anna = await session(rig, 'operator');
    const { origin, host } = new URL(rig.http.url);
    const attempts: [Record<string, string>, number][] = [
      [{}, 403],
      [{ origin: 'https://evil.example' }, 403],
      [{ origin: 'null' }, 403],
      [{ origin: `http://${host.replace(/\d+$/, '1')}` }, 403],
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ 'sec-fetch-site': 'same-site', origin }, 403],
      [{ 'sec-fetch-site': 'none' }, 403],
      [{ origin }, 200],
      [page, 200],
    ];
    for (const [headers, status] of attempts) {
      expect(await anna.ask('POST', '/api/v1/mode', headers, mode), JSON.stringify(headers)).toBe(status);
    }
    // Reading changes nothing; the browser does not send the cookie in this case anyway.
    expect(await anna.ask('GET', '/api/v1/status', { 'sec-fetch-site': 'cross-site' })).toBe(200);
    // A program with a token is not a page.
    const program = await fetch(`${rig.http.url}/api/v1/mode`, {
      method: 'POST',
      body: JSON.stringify(mode),
      headers: { ...json, ...tokens.bearer('operator') },
    });
    expect(program.status).toBe(200);
    // A log-in is a change, too.
    const forged = await fetch(`${rig.http.url}/api/v1/session`, {
      method: 'POST',
      body: JSON.stringify({ token: tokens.token.viewer }),
      headers: { ...json, origin: 'https://evil.example' },
    });
    expect(forged.status).toBe(403);
  });

  it('of operators end without activity, those of viewers do not, and all end after a maximum time', async () => {
    await using rig = await openStationRig({
      tokensFile: tokens.file,
      sessionIdleMinutes: 2 / 60,
      sessionHours: 6 / 3600,
    });
    const [anna, wall] = [await session(rig, 'operator'), await session(rig, 'viewer')];
    // Automatic requests of the page do not count as activity.
    await until(async () => (await anna.ask('GET', '/api/v1/status')) === 401, {
      what: 'the idle one to end',
    });
    expect(await wall.ask('GET', '/api/v1/status')).toBe(200);
    await until(async () => (await wall.ask('GET', '/api/v1/status')) === 401, { what: 'the other to end' });
  });

  it('end with their token: open event streams are closed, and a lower role applies immediately', async () => {
    using own = makeTokens();
    await using rig = await openStationRig({ tokensFile: own.file });
    const cookieOf = async (role: Role) =>
      (await logIn(rig, own.token[role])).headers.get('set-cookie')!.split(';')[0]!;
    const [anna, kim] = [await cookieOf('operator'), await cookieOf('engineer')];
    const status = async (cookie: string, path: string) =>
      (await fetch(rig.http.url + path, { headers: { cookie } })).status;
    const events = await fetch(`${rig.http.url}/api/v1/events`, { headers: { cookie: anna } });
    let isCut = false;
    void events
      .body!.pipeTo(new WritableStream())
      .catch(() => undefined)
      .finally(() => {
        isCut = true;
      });
    own.write(own.line.viewer, own.line.engineer.replace(' engineer ', ' operator '));
    await until(async () => (await status(anna, '/api/v1/status')) === 401, {
      what: 'the end of the session',
    });
    await until(() => isCut, { what: 'her events to end' });
    expect(await status(kim, '/api/v1/status')).toBe(200);
    expect(await status(kim, '/api/v1/audit')).toBe(403);
    expect(rig.recorded.at(-1)).toMatchObject({
      who: 'agent',
      action: 'tokens-reload',
      outcome: 'done',
      what: { count: 2 },
    });
  });
});

describe.concurrent('the tokens file', () => {
  it('is read again when it changes; an invalid file changes nothing and is reported', async () => {
    using own = makeTokens();
    await using rig = await openStationRig({ tokensFile: own.file });
    const status = async (role: Role) =>
      (await fetch(`${rig.http.url}/api/v1/status`, { headers: own.bearer(role) })).status;
    expect(await status('viewer')).toBe(200);
    own.write(own.line.operator);
    await until(async () => (await status('viewer')) === 401, { what: 'the token to be revoked' });
    own.write(own.line.operator, `${own.token.viewer}`);
    await until(() => rig.notices.get('tokens')?.includes('line 3 is not a token line'));
    expect(await status('operator')).toBe(200);
    expect(rig.recorded.at(-1)).toMatchObject({ action: 'tokens-reload', outcome: 'refused' });
    expect(JSON.stringify([rig.recorded, rig.log, [...rig.notices]])).not.toContain(own.token.viewer);
    rmSync(own.file);
    await until(() => rig.notices.get('tokens')?.includes('cannot be read'));
    expect(await status('operator')).toBe(200);
    own.write(own.line.operator, own.line.viewer);
    await until(async () => (await status('viewer')) === 200, { what: 'the token to count again' });
    expect(rig.notices.get('tokens')).toBe('');
  });
});

describe.concurrent('limits', () => {
  it('refuse a client that repeatedly tries unknown tokens, but never a valid one', async () => {
    await using rig = await openStationRig({ tokensFile: tokens.file });
    const attempts: number[] = [];
    for (let i = 0; i < 15; i++)
      attempts.push((await logIn(rig, `qc_${String(i).padStart(43, 'x')}`)).status);
    expect(attempts).toEqual([...Array(10).fill(401), ...Array(5).fill(429)]);
    const program = await fetch(`${rig.http.url}/api/v1/status`, { headers: { authorization: 'Bearer x' } });
    expect([program.status, Number(program.headers.get('retry-after')) > 0]).toEqual([429, true]);
    expect((await logIn(rig, tokens.token.operator)).status).toBe(200);
    const refused = rig.recorded.filter(({ action, outcome }) => action === 'login' && outcome === 'refused');
    expect(refused).toHaveLength(10);
    expect(refused[0]).toMatchObject({
      who: 'nobody',
      from: '127.0.0.1',
      what: {},
      code: 'http-unauthorized',
    });
  });

  it('count requests by token, except health requests', async () => {
    await using rig = await openStationRig({ tokensFile: tokens.file, requestsPerMinute: 60 });
    const ask = async (path: string, headers = {}) => (await fetch(rig.http.url + path, { headers })).status;
    const said: number[] = [];
    for (let i = 0; i < 61; i++) said.push(await ask('/api/v1/status', tokens.bearer('viewer')));
    expect([said[59], said[60]]).toEqual([200, 429]);
    expect(await ask('/api/v1/status', tokens.bearer('operator'))).toBe(200);
    for (let i = 0; i < 70; i++) expect(await ask('/healthz')).toBe(200);
  });

  it('close connections of clients that send slowly or send nothing', async () => {
    await using rig = await openStationRig();
    const { port } = new URL(rig.http.url);
    const ended = (first: string) =>
      new Promise<string>((resolve) => {
        let said = '';
        const socket = connect(Number(port), '127.0.0.1', () => socket.write(first));
        const trickle = setInterval(() => socket.write(first === '' ? '' : 'x-slow: 1\r\n'), 500);
        socket.on('data', (chunk) => {
          said += chunk;
        });
        socket.on('error', () => undefined);
        socket.on('close', () => {
          clearInterval(trickle);
          resolve(said);
        });
      });
    const [slow, silent] = await Promise.all([
      ended('GET /healthz HTTP/1.1\r\nHost: localhost\r\n'),
      ended(''),
    ]);
    expect(slow).toMatch(/^HTTP\/1\.1 408/);
    expect(silent).not.toContain('200');
  });
});

describe.concurrent('HTTPS', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'qc-https-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is served with a certificate that is renewed without a restart', async () => {
    const authority = makeAuthority(folder);
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    const put = (days: number) => {
      const issued = authority.issue({ days });
      copyFileSync(issued.cert, files.cert);
      copyFileSync(issued.key, files.key);
      return issued;
    };
    put(2);
    await using rig = await openStationRig({ tokensFile: tokens.file, ...files });
    expect(rig.http.url).toMatch(/^https:/);
    const ca = readFileSync(authority.ca);
    const shown = () =>
      new Promise<{ status: number; fingerprint: string }>((resolve, reject) => {
        const agent = new Agent({ ca });
        getSecurely(`${rig.http.url}/healthz`, { agent }, (response) => {
          const { fingerprint256 } = (response.socket as TLSSocket).getPeerX509Certificate()!;
          response.resume();
          resolve({ status: response.statusCode!, fingerprint: fingerprint256 });
        }).on('error', reject);
      });
    const fingerprintOf = (file: string) => new X509Certificate(readFileSync(file)).fingerprint256;
    const first = await shown();
    expect(first).toMatchObject({ status: 200, fingerprint: fingerprintOf(files.cert) });

    // The command line accepts exactly the certificate of the file, with any issuer, and sends nothing to another server.
    const signal = AbortSignal.timeout(10_000);
    const question = { headers: tokens.bearer('viewer'), signal, certificate: readFileSync(files.cert) };
    const status = new URL('/api/v1/status', rig.http.url);
    expect(await askAgent(status, question)).toMatchObject({ status: 200 });
    const other = readFileSync(authority.issue().cert);
    await expect(askAgent(status, { ...question, certificate: other })).rejects.toThrow(
      'a certificate that is not http.cert',
    );

    const login = await askAgent(new URL('/api/v1/session', rig.http.url), {
      method: 'POST',
      body: JSON.stringify({ token: tokens.token.viewer }),
      headers: { ...json, ...page },
      signal,
      certificate: question.certificate,
    });
    expect(login.status).toBe(200);

    // Certificate and key must match: the old pair stays in use until both are replaced.
    copyFileSync(authority.issue().key, files.key);
    await until(() => rig.notices.get('certificate')?.includes('is not the key of the certificate'));
    expect((await shown()).fingerprint).toBe(first.fingerprint);
    put(3);
    await until(async () => (await shown()).fingerprint === fingerprintOf(files.cert), {
      what: 'the new one',
    });
    expect(rig.notices.get('certificate')).toBe('');
    const recorded = rig.recorded.filter(({ action }) => action === 'certificate-reload');
    expect(recorded.map(({ outcome }) => outcome)).toEqual(['refused', 'done']);
  });

  it('restricts its cookie to secure connections', async () => {
    const { cert, key } = makeAuthority(folder).issue();
    await using rig = await openStationRig({ tokensFile: tokens.file, cert, key });
    const cookie = await new Promise<string>((resolve, reject) => {
      const agent = new Agent({ rejectUnauthorized: false });
      const options = { agent, method: 'POST', headers: { ...json, ...page } };
      const asked = requestSecurely(`${rig.http.url}/api/v1/session`, options, (response) => {
        response.resume();
        resolve(String(response.headers['set-cookie']));
      });
      asked.on('error', reject).end(JSON.stringify({ token: tokens.token.viewer }));
    });
    expect(cookie).toMatch(/^__Host-qc-press-3=\S+; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
  });

  it('is refused with an unusable certificate', async () => {
    const { cert, key } = makeAuthority(folder).issue({ days: -1 });
    await expect(openStationRig({ cert, key })).rejects.toMatchObject({
      code: 'http-certificate',
      message: expect.stringMatching(/http\.cert: .* expired on/),
    });
  });
});

it('refuses unknown host names, and sends headers that isolate its pages', async () => {
  await using rig = await openStationRig();
  const status = await new Promise((resolve) => {
    rawRequest(`${rig.http.url}/healthz`, { headers: { host: 'evil.example' } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).end();
  });
  expect(status).toBe(403);
  const { headers } = await fetch(rig.http.url);
  expect(headers.get('content-security-policy')).toMatch(/frame-ancestors 'none'/);
  expect(headers.get('content-security-policy')).not.toContain('unsafe');
  expect(headers.get('x-frame-options')).toBe('DENY');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('strict-transport-security')).toBeNull();
});
