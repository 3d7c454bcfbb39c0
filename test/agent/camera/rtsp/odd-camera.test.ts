import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { readWithFfmpeg } from '../../../../agent/camera/ffmpeg/source.ts';
import { readWithNodeAv } from '../../../../agent/camera/node-av/source.ts';
import { makeAuthority } from '../../../rigs/certificates.ts';
import { type OddCameraOptions, openOddCamera } from '../../../rigs/odd-camera.ts';
import { until } from '../../../rigs/until.ts';
import { attempt, children } from '../attempt.ts';

const noFfmpeg = spawnSync('ffmpeg', ['-version']).status !== 0;
if (noFfmpeg)
  console.warn('cameras with odd habits: skipped for the ffmpeg command, which is not on this machine');
const folder = mkdtempSync(join(tmpdir(), 'qc-odd-camera-'));
afterAll(() => rmSync(folder, { recursive: true }));

const account = { user: 'qc', password: 'pass:wörd "1"' };
const asUser = (url: string) => url.replace('//', '//qc@');

/** The error of a camera that cannot be read. */
async function refusalOf(
  options: OddCameraOptions,
  settings: Record<string, unknown> = {},
  password?: string,
) {
  await using camera = await openOddCamera(options);
  await using reading = attempt(readWithNodeAv, { url: camera.url, ...settings }, password);
  const { code, line } = await reading.failure(25_000);
  await reading.stop();
  return { code, line, asked: camera.asked, sessions: camera.sessions, wrongLogins: camera.wrongLogins };
}

describe.each([
  { name: 'node-av', source: readWithNodeAv, process: /child\.js/, isMissing: false },
  { name: 'ffmpeg', source: readWithFfmpeg, process: /^ffmpeg -hide_banner/, isMissing: noFfmpeg },
])('$name', ({ source, process: decoder, isMissing }) => {
  it.skipIf(isMissing)(
    'logs in with SHA-256, does not reveal the password, and ends the session',
    async () => {
      const login = { ...account, offers: ['MD5', 'SHA-256', 'Basic'], qop: 'auth', nonceUses: 2 } as const;
      await using camera = await openOddCamera({ login, hasty: true, maxSessions: 1 });
      await using reading = attempt(source, { url: asUser(camera.url) }, account.password);
      await reading.reached(3);
      for (const line of children().values()) {
        expect(line).not.toContain(account.password);
        expect(line).not.toContain(encodeURIComponent(account.password));
      }
      await reading.stop();
      expect(camera).toMatchObject({ sessions: 0, wrongLogins: 0 });
    },
  );

  it.skipIf(isMissing)(
    'ends its session at a camera for one viewer when the decoder is killed or hangs',
    async () => {
      await using camera = await openOddCamera({ maxSessions: 1 });
      for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
        await using reading = attempt(source, { url: camera.url, stallMs: 800 });
        await reading.reached(2);
        const [pid] = [...children()].find(([, line]) => decoder.test(line))!;
        process.kill(pid, signal);
        await reading.failure();
        expect(camera.sessions).toBe(0);
      }
      await using again = attempt(source, { url: camera.url });
      await again.reached(2);
    },
  );

  it.skipIf(isMissing)('stops immediately in every phase of opening', async () => {
    await using camera = await openOddCamera({ maxSessions: 1 });
    for (const afterMs of [0, 5, 30, 60, 120, 250]) {
      const reading = attempt(source, { url: camera.url });
      await sleep(afterMs);
      await reading.stop();
      expect([...children().values()].filter((line) => decoder.test(line))).toEqual([]);
      expect(camera.sessions).toBe(0);
    }
  });

  it.skipIf(isMissing)('reads a camera that sends by UDP only', async () => {
    await using camera = await openOddCamera({ only: 'udp' });
    await using reading = attempt(source, { url: camera.url, transport: 'udp' });
    await reading.reached(3);
    await reading.stop();
    expect(camera.sessions).toBe(0);
  });

  it.skipIf(isMissing)('reports data that arrives without a key frame', async () => {
    await using camera = await openOddCamera({ video: 'keyless' });
    await using reading = attempt(source, { url: camera.url, stallMs: 1_000 });
    await until(() => reading.conditions.get('no-key-frame'), { what: 'the condition', timeoutMs: 15_000 });
    expect(reading.conditions.get('no-key-frame')).toContain('set the I-frame interval');
    const { code, line } = await reading.failure(25_000);
    expect(code).toBe('camera-no-key-frame');
    expect(line).toContain('data arrives, but no key frame');
  });
});

describe('a log-in', () => {
  it.each([
    { offers: ['SHA-256'] },
    { offers: ['MD5', 'SHA-256'], qop: 'auth', oneField: true },
    { offers: ['SHA-256', 'MD5'], qop: 'auth,auth-int', nonceUses: 1 },
    { offers: ['SHA-512-256', 'SHA-256'], qop: 'auth-int', userhash: true },
    { offers: ['SHA-256-sess'], qop: 'auth' },
    { offers: ['MD5-sess'], qop: 'auth', oneField: true },
    { offers: ['SHA-999', 'MD5'] },
    { offers: ['Basic', 'MD5'] },
    { offers: ['Basic'] },
  ] as const)('is accepted by a camera that offers %o', async (offered) => {
    await using camera = await openOddCamera({ login: { ...account, ...offered } });
    await using reading = attempt(readWithNodeAv, { url: asUser(camera.url) }, account.password);
    await reading.reached(1);
    expect(camera.wrongLogins).toBe(0);
  });

  it('is tried once with a wrong password', async () => {
    const login = { ...account, offers: ['SHA-256', 'MD5', 'Basic'] };
    await using camera = await openOddCamera({ login });
    await using reading = attempt(readWithNodeAv, { url: asUser(camera.url) }, 'wrong');
    const error = await reading.failure();
    expect(error.code).toBe('camera-unauthorized');
    expect(error.line).not.toContain('wrong');
    expect(camera.wrongLogins).toBe(1);
  });

  it('is not tried with unsupported methods or without a password', async () => {
    const login = { ...account, offers: ['SHA-999'] };
    const unanswerable = await refusalOf({ login }, {}, 'any');
    expect(unanswerable.line).toMatch(/cannot answer; it offers Digest SHA-999 .*set the authentication/);
    const anonymous = await refusalOf({ login });
    expect(anonymous).toMatchObject({ code: 'camera-unauthorized', wrongLogins: 0 });
    expect(anonymous.line).toContain('with the password in passwordFile');
  });
});

describe('a refusal is named with its remedy', () => {
  it.each([
    [{ DESCRIBE: '503 Service Unavailable' }, 'camera-busy', /close other clients/],
    [{ SETUP: '453 Not Enough Bandwidth' }, 'camera-busy', /SETUP with 453 .*too many viewers/],
    [{ PLAY: '453 Not Enough Bandwidth' }, 'camera-busy', /close other clients/],
    [{ PLAY: '455 Method Not Valid In This State' }, 'camera-protocol', /PLAY with 455/],
    [{ DESCRIBE: '404 Not Found' }, 'camera-not-found', /check the path/],
    [{ DESCRIBE: '400 Bad Request' }, 'camera-protocol', /check path and parameters/],
    [{ DESCRIBE: '403 Forbidden' }, 'camera-unauthorized', /the right to view/],
    [{ SETUP: '500 Internal Server Error' }, 'camera-protocol', /restart the camera/],
    [{ SETUP: '551 Option not supported' }, 'camera-protocol', /update the firmware/],
  ])('%o', async (answers, code, words) => {
    const refusal = await refusalOf({ answers });
    expect(refusal.code).toBe(code);
    expect(refusal.line).toMatch(words);
    expect(refusal.sessions).toBe(0);
  });

  it('a transport that the camera does not support', async () => {
    expect((await refusalOf({ only: 'udp' })).line).toContain('set transport: udp');
    expect((await refusalOf({ only: 'tcp' }, { transport: 'udp' })).line).toContain('set transport: tcp');
  });

  it('except of OPTIONS, which a camera need not support', async () => {
    await using camera = await openOddCamera({ answers: { OPTIONS: '501 Not Implemented' } });
    await using reading = attempt(readWithNodeAv, { url: camera.url });
    await reading.reached(1);
  });
});

describe('a redirection', () => {
  it('is followed', async () => {
    const paths: Record<string, string> = { '/stream': '/a', '/a': 'b' };
    await using camera = await openOddCamera({ redirect: (path) => paths[path] });
    await using reading = attempt(readWithNodeAv, { url: camera.url });
    await reading.reached(1);
    expect(camera.asked.filter((method) => method === 'DESCRIBE')).toHaveLength(3);
  });

  it('to itself or in an endless chain is an error', async () => {
    const itself = await refusalOf({ redirect: () => '/stream' });
    expect(itself).toMatchObject({
      code: 'camera-redirect',
      line: expect.stringContaining('redirects to itself'),
    });
    expect(itself.asked.filter((method) => method === 'DESCRIBE')).toHaveLength(1);
    const endless = await refusalOf({ redirect: (path) => `${path}/further` });
    expect(endless.line).toContain('more than 3 redirections');
    expect(endless.asked.filter((method) => method === 'DESCRIBE')).toHaveLength(4);
    expect((await refusalOf({ redirect: () => 'http://10.0.0.1/' })).line).toContain('not an RTSP address');
  });

  it('reveals neither user nor password to another host', async () => {
    const login = { ...account, offers: ['Basic'] };
    await using other = await openOddCamera({ login });
    const elsewhere = other.url.replace('127.0.0.1', 'localhost');
    const { code } = await refusalOf({ redirect: () => elsewhere }, {}, account.password);
    expect(code).toBe('camera-unauthorized');
    expect(other.wrongLogins).toBe(0);
  });
});

describe('a stream without an image is explained', () => {
  it.each([
    [
      'MJPEG of more than 2040 pixels',
      { video: 'large-jpeg', describe: asJpeg },
      'camera-codec',
      /2040 pixels.*2592×1944/,
    ],
    [
      'only audio',
      { describe: (sdp) => sdp.replace('m=video', 'm=audio') },
      'camera-codec',
      /no video, only audio/,
    ],
    [
      'another codec',
      { describe: (sdp) => sdp.replace('H264/', 'MP4V-ES/') },
      'camera-codec',
      /the video is MPEG-4/,
    ],
    ['encryption', { describe: (sdp) => sdp.replace('RTP/AVP', 'RTP/SAVP') }, 'camera-codec', /SRTP/],
    ['an empty description', { describe: () => 'v=0\r\n' }, 'camera-codec', /without any stream/],
    ['no data', { video: 'none' }, 'camera-stalled', /accepts PLAY, but no data arrives/],
  ] as [string, OddCameraOptions, string, RegExp][])('%s', async (_, options, code, words) => {
    const refusal = await refusalOf(options, { stallMs: 1_000 });
    expect(refusal.code).toBe(code);
    expect(refusal.line).toMatch(words);
    expect(refusal.sessions).toBe(0);
  });

  it('no data by UDP', async () => {
    const { line } = await refusalOf({ video: 'none' }, { transport: 'udp', stallMs: 1_000 });
    expect(line).toContain('let UDP from the camera through the firewalls');
  });
});

describe('an address without a camera is explained', () => {
  const failureAt = async (url: string) => {
    await using reading = attempt(readWithNodeAv, { url, stallMs: 2_000 });
    const { code, line } = await reading.failure();
    return `${code} ${line}`;
  };

  it('a host name that does not resolve', async () => {
    expect(await failureAt('rtsp://no-such-camera.invalid/stream')).toMatch(
      /^camera-host-unknown .*does not resolve/,
    );
  });

  it('HTTP, mail, and a connection that closes immediately', async () => {
    const http = createHttp((_, answer) => void answer.writeHead(404).end()).listen(0, '127.0.0.1');
    const mail = createServer((socket) => void socket.write('220 mail ready\r\n')).listen(0, '127.0.0.1');
    const shut = createServer((socket) => void socket.destroy()).listen(0, '127.0.0.1');
    await Promise.all([http, mail, shut].map((server) => once(server, 'listening')));
    const at = (server: typeof shut) => `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}/stream`;
    expect(await failureAt(at(http))).toMatch(/^camera-not-rtsp .*HTTP instead of RTSP/);
    expect(await failureAt(at(mail))).toMatch(/^camera-not-rtsp .*something else instead of RTSP/);
    expect(await failureAt(at(shut))).toMatch(/^camera-not-rtsp .*without an answer/);
    for (const server of [http, mail, shut]) server.close();
  });

  it('TLS if there is none, and the other way round', async () => {
    const tls = makeAuthority(folder).issue();
    await using secure = await openOddCamera({ tls });
    await using plain = await openOddCamera();
    expect(await failureAt(plain.url.replace('rtsp:', 'rtsps:'))).toMatch(
      /^camera-tls .*write rtsp:\/\/ in url/,
    );
    expect(await failureAt(secure.url.replace('rtsps:', 'rtsp:'))).toMatch(/^camera-not-rtsp/);
    await using reading = attempt(readWithNodeAv, { url: secure.url });
    await reading.reached(1);
  });
});

function asJpeg(sdp: string): string {
  return sdp
    .replace('RTP/AVP 96', 'RTP/AVP 26')
    .replace(/a=rtpmap:.*\r\na=fmtp:.*\r\n/, 'a=x-dimensions:2592,1944\r\n');
}
