import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { QcError } from '../../../../config/errors.ts';
import type { RemoteFile } from '../../../../models/hubs/pull/attempt.ts';
import { openClient } from '../../../../models/hubs/pull/client.ts';
import { type DownloadDeps, type Downloaded, download } from '../../../../models/hubs/pull/download.ts';
import { record } from '../../../../models/hubs/pull/recorded.ts';
import { md5Of, openFakeHub, sha256Of } from '../../../rigs/fake-hub.ts';
import { tempFolder } from '../../temp-folder.ts';

const content = randomBytes(300_000);
const hub = await openFakeHub();
const storage = await tempFolder();
const folder = join(storage.path, 'downloads');
const client = openClient(
  { proxies: { httpProxy: '', httpsProxy: '', noProxy: '' } },
  { connectMs: 2_000, stallMs: 300 },
);
const notices: string[] = [];
let progress: number[] = [];

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
  await storage[Symbol.asyncDispose]();
});

beforeEach(async () => {
  notices.length = 0;
  progress = [];
  hub.requests.length = 0;
  hub.isRanged = true;
  hub.put('/weights.pth', content);
  await rm(folder, { recursive: true, force: true });
  await rm(join(storage.path, 'bases'), { recursive: true, force: true });
  await mkdir(folder);
});

function fetched(changes: Partial<RemoteFile> = {}, rules: Partial<DownloadDeps> = {}): Promise<Downloaded> {
  const remote = {
    url: new URL(`${hub.url}/weights.pth`),
    name: 'weights.pth',
    address: 'https://hub/weights.pth',
    checks: [{ kind: 'sha256' as const, value: sha256Of(content), by: 'the test' }],
    ...changes,
  };
  return download(remote, folder, {
    client,
    storageDirectory: storage.path,
    signal: new AbortController().signal,
    maxBytes: 1e9,
    minFreeBytes: 0,
    retry: { attempts: 3, minMs: 1, maxMs: 2, maxAskedMs: 1_500 },
    onNotice: (text) => void notices.push(text),
    onBytes: (done) => void progress.push(done),
    ...rules,
  });
}

async function refused(work: Promise<unknown>): Promise<QcError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(QcError);
  return error as QcError;
}

const left = () => readdir(folder);
const ranges = () => hub.requests.map(({ headers }) => headers.range ?? 'all');
const wrong = [{ kind: 'sha256' as const, value: sha256Of(Buffer.from('other')), by: 'the test' }];

async function requireWhole(done: Downloaded): Promise<void> {
  expect((await readFile(done.file)).equals(content)).toBe(true);
  expect(await left()).toEqual(['weights.pth']);
}

test('a file arrives completely, its hash is checked, and progress is reported', async () => {
  const done = await fetched();
  await requireWhole(done);
  expect(done).toMatchObject({
    bytes: 300_000,
    sha256: sha256Of(content),
    checkedBy: 'sha256 according to the test',
  });
  expect(progress[0]).toBe(0);
  expect(progress.at(-1)).toBe(300_000);
});

describe('a connection that breaks', () => {
  test('is resumed at the same position', async () => {
    hub.plan({ cutAfter: 100_000 }, { cutAfter: 100_000 });
    await requireWhole(await fetched());
    expect(ranges()).toEqual([
      'all',
      expect.stringMatching(/^bytes=\d+-$/),
      expect.stringMatching(/^bytes=\d+-$/),
    ]);
    expect(hub.requests[1]!.headers['if-range']).toBe(`"${md5Of(content)}"`);
    expect(notices).toHaveLength(2);
  });

  test('counts as an attempt only if nothing new arrived', async () => {
    hub.plan(...Array.from({ length: 4 }, () => ({ cutAfter: 70_000 })));
    await requireWhole(await fetched());
    hub.plan(...Array.from({ length: 3 }, () => ({ cutAfter: 10 })));
    const error = await refused(fetched());
    expect(error).toMatchObject({ code: 'hub-unreachable', message: expect.stringContaining('MB are kept') });
  });

  test('starts again on a server without ranges', async () => {
    hub.isRanged = false;
    hub.plan({ cutAfter: 100_000 });
    await requireWhole(await fetched());
    expect(ranges()).toEqual(['all', expect.stringMatching(/^bytes=/)]);
  });

  test('starts again if the file changed meanwhile', async () => {
    const older = Buffer.concat([randomBytes(150_000), content.subarray(150_000)]);
    hub.put('/weights.pth', older);
    hub.plan({ cutAfter: 100_000, onBegin: () => setTimeout(() => hub.put('/weights.pth', content), 0) });
    await requireWhole(await fetched());
  });

  test('starts again if the rest belongs to another file, although the server does not report it', async () => {
    hub.put('/weights.pth', { bytes: randomBytes(300_000), etag: null });
    hub.plan({
      cutAfter: 100_000,
      onBegin: () => setTimeout(() => hub.put('/weights.pth', { bytes: content, etag: null }), 0),
    });
    await requireWhole(await fetched());
    expect(notices.at(-1)).toContain('the download is repeated from the start');
  });

  test('never joins two answers without a tag or a hash', async () => {
    hub.put('/weights.pth', { bytes: content, etag: null });
    hub.plan({ cutAfter: 100_000 });
    await requireWhole(await fetched({ checks: [] }));
    expect(ranges()).toEqual(['all', 'all']);
  });

  test('that stalls is ended and resumed', async () => {
    hub.plan({ stallAfter: 100_000 });
    await requireWhole(await fetched());
    expect(notices[0]).toContain('no data arrived within the time limit');
  });

  test('of a part that is larger than the file starts again', async () => {
    hub.plan({ cutAfter: 200_000 });
    await refused(fetched({}, { retry: { attempts: 1, minMs: 1, maxMs: 1, maxAskedMs: 1 } }));
    const shorter = content.subarray(0, 50_000);
    hub.put('/weights.pth', { bytes: shorter, etag: `"${md5Of(content)}"` });
    const done = await fetched({ checks: [{ kind: 'md5', value: md5Of(shorter), by: 'the test' }] });
    expect(done.bytes).toBe(50_000);
  });
});

test('an answer that ends early is continued', async () => {
  hub.plan({ endAfter: 100_000 });
  const error = await refused(
    fetched({ bytes: 300_000 }, { retry: { attempts: 1, minMs: 1, maxMs: 1, maxAskedMs: 1 } }),
  );
  // Without a length it looks complete: only size and hash show it.
  expect(error.code).toBe('download-wrong');
  expect(await left()).toEqual([]);
});

describe('the status of a hub', () => {
  test.each([
    [401, 'hub-unauthorized'],
    [403, 'hub-unauthorized'],
    [404, 'hub-not-found'],
    [410, 'hub-not-found'],
    [400, 'hub-refused'],
  ])('%i is final', async (status, code) => {
    hub.plan({ status });
    expect(await refused(fetched())).toMatchObject({ code });
    expect(hub.requests).toHaveLength(1);
  });

  test.each([408, 429, 500, 502, 503, 504])('%i leads to another attempt', async (status) => {
    hub.plan({ status }, { status });
    await requireWhole(await fetched());
    expect(hub.requests).toHaveLength(3);
  });

  test('the requested waiting time is respected if it is short', async () => {
    hub.plan({ status: 429, headers: { 'retry-after': '1' } });
    const startedAt = performance.now();
    await requireWhole(await fetched());
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    hub.plan({ status: 503, headers: { 'retry-after': '3600' } });
    expect(await refused(fetched())).toMatchObject({
      code: 'hub-busy',
      message: expect.stringContaining('3600 s'),
    });
    const date = 'Mon, 30 Nov 2026 10:00:00 GMT';
    hub.plan({ status: 429, headers: { date, 'retry-after': 'Mon, 30 Nov 2026 11:00:00 GMT' } });
    expect((await refused(fetched())).message).toContain('3600 s');
  });

  test('a web page or a pointer file is not accepted as weights', async () => {
    hub.put('/weights.pth', Buffer.from('<!DOCTYPE html><title>Sign in</title>'));
    expect(await refused(fetched())).toMatchObject({
      code: 'download-wrong',
      message: expect.stringContaining('web page'),
    });
    hub.put(
      '/weights.pth',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n'),
    );
    expect(await refused(fetched())).toMatchObject({
      code: 'download-wrong',
      message: expect.stringContaining('Git LFS'),
    });
    expect(await left()).toEqual([]);
  });
});

describe('redirects', () => {
  test('are followed, and the token stays with its host', async () => {
    hub.redirect('/here', `${hub.url}/there`);
    hub.redirect('/there', `${hub.cdn}/weights.pth`);
    await requireWhole(await fetched({ url: new URL(`${hub.url}/here`), authorization: 'Bearer secret' }));
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer secret',
      'Bearer secret',
      undefined,
    ]);
  });

  test('do not loop or change to other protocols', async () => {
    hub.redirect('/loop', `${hub.url}/loop`);
    expect((await refused(fetched({ url: new URL(`${hub.url}/loop`) }))).message).toContain(
      'more than 10 redirects',
    );
    hub.redirect('/file', 'file:///etc/passwd');
    expect((await refused(fetched({ url: new URL(`${hub.url}/file`) }))).code).toBe('hub-refused');
  });
});

describe('wrong bytes', () => {
  test('are refused, and nothing is left', async () => {
    const error = await refused(fetched({ checks: wrong }));
    expect(error).toMatchObject({
      code: 'download-wrong',
      message: expect.stringContaining(sha256Of(content)),
    });
    expect(await left()).toEqual([]);
  });

  test('are detected with the hash in headers of the hub', async () => {
    const md5 = createMd5(Buffer.from('other'));
    hub.put('/weights.pth', { bytes: content, headers: { 'x-goog-hash': `crc32c=AAAAAA==,md5=${md5}` } });
    expect(await refused(fetched({ checks: [] }))).toMatchObject({
      code: 'download-wrong',
      message: expect.stringContaining('md5 according to the hub'),
    });
    hub.put('/weights.pth', { bytes: content, headers: { 'x-goog-hash': `md5=${createMd5(content)}` } });
    expect((await fetched({ checks: [] })).checkedBy).toBe('md5 according to the hub');
  });

  test('are detected with the digits of the name', async () => {
    const digits = (value: string) => [{ kind: 'sha256-start' as const, value, by: 'the file name' }];
    expect((await refused(fetched({ checks: digits('00000000') }))).code).toBe('download-wrong');
    expect((await fetched({ checks: digits(sha256Of(content).slice(0, 8)) })).checkedBy).toContain(
      'start of the sha256',
    );
  });

  test('are detected by their size before the transfer', async () => {
    expect((await refused(fetched({ bytes: 5 }))).message).toContain('5 were announced');
    expect(progress).toEqual([]);
  });

  test('are detected by comparison with the first download', async () => {
    await record(storage.path, 'https://hub/weights.pth', {
      bytes: 5,
      sha256: sha256Of(Buffer.from('older')),
    });
    const error = await refused(fetched());
    expect(error).toMatchObject({
      code: 'download-changed',
      remedy: expect.stringContaining('bases/pulled/'),
    });
    expect(await left()).toEqual([]);
  });
});

test('more than the limit is not stored', async () => {
  expect((await refused(fetched({}, { maxBytes: 100_000 }))).code).toBe('download-too-large');
  hub.plan({ endAfter: 250_000 });
  expect((await refused(fetched({}, { maxBytes: 100_000 }))).code).toBe('download-too-large');
  expect(await left()).toEqual([]);
});

test('the disk keeps its free space', async () => {
  expect(await refused(fetched({}, { minFreeBytes: 1e18 }))).toMatchObject({ code: 'disk-too-small' });
});

test('bytes of another address are not continued', async () => {
  await writeFile(join(folder, 'weights.pth.part'), randomBytes(100_000));
  await writeFile(
    join(folder, 'weights.pth.part.json'),
    JSON.stringify({ schema: 1, address: 'https://elsewhere', validator: '"a"', total: 300_000, checks: [] }),
  );
  await requireWhole(await fetched());
  expect(ranges()).toEqual(['all']);
});

test('a stop keeps what has arrived', async () => {
  const stop = new AbortController();
  hub.plan({ stallAfter: 200_000 });
  const work = fetched(
    {},
    { signal: stop.signal, onBytes: (done) => done >= 150_000 && stop.abort(new Error('stopped')) },
  );
  await expect(work).rejects.toThrow('stopped');
  expect(await left()).toEqual(['weights.pth.part', 'weights.pth.part.json']);
  await requireWhole(await fetched());
  expect(hub.requests.at(-1)!.headers.range).toMatch(/^bytes=1[5-9]\d{4}-|^bytes=200000-/);
});

const createMd5 = (bytes: Buffer) => Buffer.from(md5Of(bytes), 'hex').toString('base64');
