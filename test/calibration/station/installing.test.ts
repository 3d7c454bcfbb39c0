import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createInstalling, type Installing } from '../../../calibration/station/installing.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { trainingSchema } from '../../../config/training-schema.ts';
import { openBase } from '../../../models/base.ts';
import { placeOf } from '../../models/hubs/fixtures.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { type FakeHub, openFakeHub } from '../../rigs/fake-hub.ts';
import { until } from '../../rigs/until.ts';

const weights = await readFile(placeOf('torchvision/resnet50-small-dino-full.pth')!);
const bf16 = placeOf('transformers/resnet50-bf16')!;

let hub: FakeHub;
let storage: Awaited<ReturnType<typeof tempFolder>>;
let installing: Installing;
const before = { ...process.env };

beforeEach(async () => {
  hub = await openFakeHub();
  storage = await tempFolder();
  // The child process inherits it, as from a systemd unit.
  process.env.HF_ENDPOINT = hub.url;
  const config = {
    model: modelSchema.parse({ provider: 'cpu', threads: 1 }),
    labels: { good: ['good'] },
    thresholds: { pass: 0.7, fail: 0.6 },
    storage: storageSchema.parse({ directory: storage.path, minFreeMb: 0 }),
    training: trainingSchema.parse({}),
  };
  installing = createInstalling(config, pino({ level: 'silent' }));
});

afterEach(async () => {
  process.env = { ...before };
  await installing[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
  await storage[Symbol.asyncDispose]();
});

const asked = { features: 'last', acceptLicence: false, width: 64 } as const;
const ended = () =>
  until(() => installing.view.state !== 'running', { what: 'the installation to end', timeoutMs: 20_000 });
const left = () => readdir(join(storage.path, 'downloads')).catch(() => []);

it('pulls in its own process, one base at a time, and reports its progress', async () => {
  hub.repository('me/model', {
    'model.safetensors': await readFile(join(bf16, 'model.safetensors')),
    'config.json': await readFile(join(bf16, 'config.json')),
  });
  hub.plan({ stallAfter: 50_000 });
  const pull = () => installing.pull({ ...asked, address: 'hf:me/model', name: 'mine' }, 'anna');
  await pull();
  await until(() => installing.view.done >= 50_000, { what: 'bytes to arrive', timeoutMs: 20_000 });
  expect(installing.view).toMatchObject({
    state: 'running',
    by: 'anna',
    step: 'downloading model.safetensors',
  });
  await expect(pull()).rejects.toMatchObject({ code: 'download-busy' });
  installing.cancel();
  await ended();
  expect(installing.view.state).toBe('cancelled');

  await pull();
  await ended();
  expect(installing.view).toMatchObject({ state: 'done', name: 'mine', error: null });
  const ranges = hub.requests
    .filter(({ path }) => path.startsWith('/repos/'))
    .map(({ headers }) => headers.range);
  expect(ranges).toEqual([undefined, 'bytes=50000-']);
  await openBase({ base: 'mine', precision: 'auto', storageDirectory: storage.path });
  expect(await left()).toEqual([]);
}, 60_000);

it('refuses invalid requests without contacting a hub, and reports errors of a hub', async () => {
  const refused = (address: string) => installing.pull({ ...asked, address }, 'anna');
  await expect(refused('resnet5')).rejects.toMatchObject({ code: 'hub-address' });
  await expect(refused('barlowtwins-resnet50')).rejects.toMatchObject({ code: 'licence-refused' });
  expect(installing.view.state).toBe('idle');
  await refused('hf:me/none');
  await ended();
  expect(installing.view).toMatchObject({ state: 'failed', error: { code: 'hub-not-found' }, name: null });
}, 30_000);

it('imports an upload, and removes it', async () => {
  const upload = (bytes: Buffer, file: string, stated: number | undefined = bytes.length) =>
    installing.upload(
      Readable.from([bytes.subarray(0, 1_000), bytes.subarray(1_000)]),
      stated,
      { ...asked, file },
      'anna',
    );
  await upload(weights, 'mine.pth');
  await ended();
  expect(installing.view).toMatchObject({ state: 'done', name: 'mine' });
  expect(await left()).toEqual([]);
  await openBase({ base: 'mine', precision: 'auto', storageDirectory: storage.path });

  await upload(Buffer.alloc(5_000, 1), 'other.pth');
  await ended();
  expect(installing.view).toMatchObject({ state: 'failed', error: { code: 'weights-unsupported' } });
  await expect(upload(weights, 'short.pth', 10)).rejects.toMatchObject({ code: 'http-invalid' });
  await ended();
  const broken = Readable.from(
    (async function* () {
      yield weights.subarray(0, 1_000);
      throw new Error('aborted');
    })(),
  );
  await expect(
    installing.upload(broken, undefined, { ...asked, file: 'a.pth' }, 'anna'),
  ).rejects.toMatchObject({
    message: 'the upload of a.pth was interrupted',
  });
  await ended();
  await expect(upload(weights, 'large.pth', 3e9)).rejects.toMatchObject({ code: 'download-too-large' });
  await ended();
  expect(await left()).toEqual([]);
}, 60_000);
