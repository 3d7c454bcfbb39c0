import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { pullBase } from '../../../../models/hubs/pull/pull.ts';
import { openFakeHub } from '../../../rigs/fake-hub.ts';
import { until } from '../../../rigs/until.ts';
import { tempFolder } from '../../temp-folder.ts';
import { placeOf } from '../fixtures.ts';

const folder = placeOf('transformers/resnet50-bf16')!;
const config = await readFile(join(folder, 'config.json'));

/** Weights of 100 MB: those of the fixture, and a classifier that the base does not need. */
const large = withClassifier(await readFile(join(folder, 'model.safetensors')), 100_000_000);

function withClassifier(small: Buffer, bytes: number): Buffer {
  const length = Number(small.readBigUInt64LE(0));
  const header = JSON.parse(small.toString('utf8', 8, 8 + length)) as Record<string, unknown>;
  const data = small.subarray(8 + length);
  header['classifier.2.weight'] = {
    dtype: 'F32',
    shape: [bytes / 4],
    data_offsets: [data.length, data.length + bytes],
  };
  const text = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  // Random bytes, so that a part in the wrong place changes the hash.
  const filling = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 4) filling.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  return Buffer.concat([start, text, data, filling]);
}

/** Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

test('a pull of 100 MB that is interrupted at ten random points continues each time and completes', async () => {
  await using hub = await openFakeHub();
  await using storage = await tempFolder();
  hub.repository('me/large', { 'model.safetensors': large, 'config.json': config });
  const random = randomFrom(17);
  const lengths = Array.from({ length: 10 }, () => Math.round(1e6 + random() * 8e6));
  hub.plan(...lengths.map((bytes, at) => (at === 4 ? { stallAfter: bytes } : { cutAfter: bytes })), {
    status: 503,
  });
  const base = await pullBase(
    {
      address: 'hf:me/large',
      storageDirectory: storage.path,
      size: { width: 64, height: 64 },
      features: 'last',
      acceptLicence: false,
      minFreeBytes: 0,
    },
    {
      environment: { HF_ENDPOINT: hub.url, HOME: storage.path },
      signal: new AbortController().signal,
      onNotice: () => undefined,
      onProgress: () => undefined,
      rules: { stallMs: 500, retry: { attempts: 3, minMs: 1, maxMs: 5, maxAskedMs: 1_000 } },
    },
  );
  expect(base.manifest.name).toBe('me-large');
  const starts = hub.requests
    .filter(({ path }) => path.startsWith('/repos/'))
    .map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? 'bytes=0-')?.[1]));
  expect(starts).toHaveLength(12);
  // Each continues after the received bytes; bytes in transit at the interruption are sent again.
  const sums = lengths.map((_, at) => lengths.slice(0, at + 1).reduce((sum, one) => sum + one, 0));
  starts.slice(1, 11).forEach((start, at) => {
    expect(start).toBeGreaterThan(starts[at]!);
    expect(start).toBeLessThanOrEqual(sums[at]!);
    expect(sums[at]! - start).toBeLessThan(1_000_000);
  });
  // The answer 503 had no bytes.
  expect(starts[11]).toBe(starts[10]);
  expect(await readdir(join(storage.path, 'downloads'))).toEqual([]);
}, 60_000);

test('a pull that is killed (-9) is continued by the next one', async () => {
  await using hub = await openFakeHub();
  await using storage = await tempFolder();
  hub.repository('me/large', { 'model.safetensors': large, 'config.json': config });
  const yaml = join(storage.path, 'agent.yaml');
  await writeFile(
    yaml,
    `station: s\ncameras: {top: {url: "rtsp://h/a"}}\nstorage: {directory: ${storage.path}/data, minFreeMb: 0}\n`,
  );
  const main = fileURLToPath(new URL('../../../../agent/main.js', import.meta.url));
  const pull = () =>
    spawn(execPath, [main, 'models', 'pull', 'hf:me/large', '--size', '64', '--json', '--config', yaml], {
      env: { ...env, HF_ENDPOINT: hub.url, HOME: storage.path },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  hub.plan({ stallAfter: 40_000_000 });
  const first = pull();
  const downloads = join(storage.path, 'data/downloads');
  const part = async () => {
    const folders = await readdir(downloads).catch(() => []);
    const place = folders.find((name) => !name.endsWith('.lock'));
    if (place === undefined) return undefined;
    return stat(join(downloads, place, 'model.safetensors.part')).catch(() => undefined);
  };
  await until(async () => ((await part())?.size ?? 0) >= 40_000_000, { timeoutMs: 20_000, what: '40 MB' });
  const ended = once(first, 'exit');
  first.kill('SIGKILL');
  await ended;

  hub.requests.length = 0;
  const second = pull();
  let [said, errors] = ['', ''];
  second.stdout.on('data', (chunk) => {
    said += chunk;
  });
  second.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const [code] = await once(second, 'exit');
  expect(`${code} ${errors}`).toMatch(/^0 /);
  const answer = JSON.parse(said);
  expect(answer).toMatchObject({
    name: 'me-large',
    downloads: [{ checkedBy: 'sha256 according to the hub' }, {}],
  });
  const [whole] = hub.requests.filter(({ path }) => path.startsWith('/repos/'));
  expect(whole!.headers.range).toBe('bytes=40000000-');
  expect(await readdir(downloads)).toEqual([]);
  const audit = await readFile(join(storage.path, 'data/audit.jsonl'), 'utf8');
  expect(audit).toContain('"pull-base"');
}, 60_000);
