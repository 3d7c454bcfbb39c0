/** Compares the access of every role to every route with a table. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mayAct, type Role, roles } from '../../../agent/http/roles.ts';
import { packageRoot } from '../../../config/package.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { type Least, notRecorded, roleTable } from '../../rigs/role-table.ts';
import { openStationRig, type StationRig } from '../../rigs/station.ts';
import { makeTokens, type TokenRig } from '../../rigs/tokens.ts';

interface Operation {
  readonly 'x-role': Least;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
}
const document = JSON.parse(readFileSync(join(packageRoot, 'deploy/openapi.json'), 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    route: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase(),
    path,
    operation,
  })),
);

/** An address of a route, with names that do not exist. */
const addressOf = (path: string) =>
  path
    .replace('{version}', '2026-01-01.1')
    .replace('{resultId}', '01JD0000000000000000000000')
    .replace('{id}', '0'.repeat(64))
    .replace('{jobId}', 'J-0')
    .replace('{name}', 'top');

let tokens: TokenRig;
let rig: StationRig;
beforeAll(async () => {
  tokens = makeTokens();
  const limits = { requestsPerMinute: 100_000 };
  rig = await openStationRig({ tokensFile: tokens.file, ...limits }, { calibration: createCalibrationRig() });
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  tokens?.[Symbol.dispose]();
});

async function ask(method: string, path: string, headers: Record<string, string>, body = '{}') {
  const stop = new AbortController();
  const response = await fetch(rig.http.url + path, {
    method,
    redirect: 'manual',
    signal: stop.signal,
    ...(method === 'POST' && { body }),
    headers: { 'content-type': 'application/json', ...headers },
  });
  // Events never end.
  stop.abort();
  return response.status;
}

describe('access by role', () => {
  it('is in the table for exactly the routes of the document', () => {
    expect(
      Object.fromEntries(operations.map(({ route, operation }) => [route, operation['x-role']])),
    ).toEqual(roleTable);
  });

  it.each([...roles, 'nobody', 'a stranger'] as const)('agrees with the table: %s', async (who) => {
    const isKnown = (roles as readonly string[]).includes(who);
    const headers =
      who === 'nobody'
        ? {}
        : who === 'a stranger'
          ? { authorization: `Bearer qc_${'x'.repeat(43)}` }
          : tokens.bearer(who as Role);
    const said: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const { route, method, path } of operations) {
      const least = roleTable[route] ?? 'missing from the table';
      const status = await ask(method, addressOf(path), headers);
      said[route] = status === 401 || status === 429 ? 'unknown' : status === 403 ? 'forbidden' : 'let in';
      const isAllowed = least === 'open' || (isKnown && mayAct(who as Role, least as Role));
      wanted[route] = isAllowed ? 'let in' : isKnown ? 'forbidden' : 'unknown';
    }
    // The body is empty, which the log-in refuses, not the access check.
    expect(said).toEqual(wanted);
  });

  it('lets only an engineer override a gate', async () => {
    const promote = (role: Role) =>
      ask('POST', '/api/v1/models/2026-11-23.1/promote', tokens.bearer(role), '{"override":"we need it"}');
    expect([await promote('operator'), await promote('engineer')]).toEqual([403, 200]);
  });

  it('redirects to the log-in page, the only page without a log-in', async () => {
    const folder = join(packageRoot, 'agent/page');
    const open = [
      'login.html',
      'login/login.js',
      'login/login.css',
      'shared/base.css',
      'shared/controls.css',
      'shared/layout.css',
      'shared/dialog.js',
      'shared/dom.js',
      'shared/help.js',
      'shared/language.js',
      'shared/page-tools.js',
      'shared/theme.js',
      'icon.svg',
    ];
    const served = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.(html|css|js|svg)$/.test(name),
    );
    expect(served.length).toBeGreaterThan(40);
    for (const name of served) {
      const path = name === 'index.html' ? '/' : `/${name}`;
      const status = await ask('GET', path, {});
      const wanted = open.includes(name) ? 200 : name.endsWith('.html') ? 303 : 401;
      expect([path, status]).toEqual([path, wanted]);
      expect([path, await ask('GET', path, tokens.bearer('viewer'))]).toEqual([path, 200]);
    }
    const sent = await fetch(`${rig.http.url}/calibrate.html`, { redirect: 'manual' });
    expect(sent.headers.get('location')).toBe('login.html?to=calibrate.html');
    expect([await ask('GET', '/api/v1/openapi.json', {}), await ask('GET', '/nothing', {})]).toEqual([
      401, 401,
    ]);
    expect(await ask('GET', '/api/v1/openapi.json', tokens.bearer('viewer'))).toBe(200);
    expect(await ask('GET', '/nothing', tokens.bearer('viewer'))).toBe(404);
  });

  it('is recorded for every change and requester, also if it is refused', async () => {
    for (const { route, method, path } of operations) {
      if (method === 'GET' || method === 'HEAD') continue;
      for (const who of ['nobody', 'viewer', 'engineer'] as const) {
        const before = rig.recorded.length;
        await ask(method, addressOf(path), who === 'nobody' ? {} : tokens.bearer(who));
        const added = rig.recorded.slice(before);
        const name = who === 'nobody' ? who : `token:${who === 'viewer' ? 'wall' : 'kim'}`;
        const wanted = notRecorded.includes(route) ? [] : [{ who: name, from: '127.0.0.1' }];
        expect(added, `${route} by ${who}`).toMatchObject(wanted);
      }
    }
  });
});

const outside = [
  '..%2f..%2f..%2fetc%2fpasswd',
  '%2e%2e%2fagent.yaml',
  '..%5c..%5cagent.yaml',
  '....//....//etc/passwd',
  '%00',
  '/etc/passwd',
  'C:%5Cwindows%5Cwin.ini',
  'con',
  '~',
  '"><script>',
];

/** The whole body, or the first event of a stream of events, which does not end. */
async function firstText(response: Response): Promise<string> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response.text();
  const reader = response.body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  return new TextDecoder().decode(first?.value);
}

it('accepts no path in place of a name', async () => {
  const headers = tokens.bearer('engineer');
  for (const { method, path, operation } of operations) {
    for (const { name, in: where } of operation.parameters ?? []) {
      for (const value of outside) {
        const at =
          where === 'path'
            ? addressOf(path.replace(`{${name}}`, value))
            : `${addressOf(path)}?${name}=${encodeURIComponent(decodeURIComponent(value))}`;
        const response = await fetch(rig.http.url + at, {
          method,
          headers: { 'content-type': 'application/json', ...headers },
          redirect: 'manual',
          ...(method === 'POST' && { body: '{}' }),
        });
        const said = await firstText(response);
        expect(response.status, `${method} ${at}: ${said.slice(0, 200)}`).not.toBe(500);
        // A filter may be an unknown name: then the list is empty.
        if (where === 'path') expect([400, 404, 504], `${method} ${at}`).toContain(response.status);
        expect(said).not.toMatch(/root:|station:|node_modules/);
      }
    }
  }
});
