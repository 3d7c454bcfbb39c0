import { copyFile, cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { QcError } from '../../../../config/errors.ts';
import { openBase } from '../../../../models/base.ts';
import {
  type PullDeps,
  type PulledBase,
  type PullRequest,
  pullBase,
} from '../../../../models/hubs/pull/pull.ts';
import { type FakeHub, md5Of, openFakeHub, sha256Of } from '../../../rigs/fake-hub.ts';
import { tempFolder } from '../../temp-folder.ts';
import { placeOf } from '../fixtures.ts';

const torch = await readFile(placeOf('torchvision/resnet50-small-dino-full.pth')!);
const keras = await readFile(placeOf('keras/vgg16/notop-weights-keras1.h5')!);
const bf16 = placeOf('transformers/resnet50-bf16')!;
const sharded = placeOf('transformers/resnet50-sharded')!;

let hub: FakeHub;
let storage: Awaited<ReturnType<typeof tempFolder>>;
const notices: string[] = [];
const steps = new Set<string>();

beforeEach(async () => {
  hub = await openFakeHub();
  storage = await tempFolder();
  notices.length = 0;
  steps.clear();
  return async () => {
    await hub[Symbol.asyncDispose]();
    await storage[Symbol.asyncDispose]();
  };
});

afterAll(() => undefined);

const retry = { attempts: 3, minMs: 1, maxMs: 2, maxAskedMs: 1_000 };

/** The fake hub replaces every hub, like a mirror. */
function pulled(
  address: string,
  changes: Partial<PullRequest> = {},
  environment: Record<string, string> = {},
  deps: Partial<PullDeps> = {},
): Promise<PulledBase> {
  const names = ['HF', 'TORCHVISION', 'META', 'KERAS', 'NGC', 'KAGGLE_API'];
  const mirrors = Object.fromEntries(names.map((name) => [`${name}_ENDPOINT`, hub.url]));
  return pullBase(
    {
      address,
      storageDirectory: storage.path,
      size: { width: 64, height: 64 },
      features: 'last',
      acceptLicence: false,
      minFreeBytes: 0,
      ...changes,
    },
    {
      environment: { HOME: storage.path, ...mirrors, ...environment },
      signal: new AbortController().signal,
      onNotice: (text) => void notices.push(text),
      onProgress: (step) => void steps.add(step),
      rules: { retry, stallMs: 2_000 },
      ...deps,
    },
  );
}

async function refused(work: Promise<unknown>): Promise<QcError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(QcError);
  return error as QcError;
}

/** Files below the folder, without the records of earlier downloads. */
async function filesIn(name: string): Promise<string[]> {
  return (await readdir(join(storage.path, name)).catch(() => [])).filter((file) => file !== 'pulled').sort();
}

async function folderOf(path: string): Promise<Record<string, Buffer>> {
  const names = await readdir(path);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(path, name))])),
  );
}

async function requireNothingLeft(): Promise<void> {
  expect(await filesIn('bases')).toEqual([]);
  expect(await filesIn('downloads')).toEqual([]);
}

describe('each hub', () => {
  test('torchvision: the digits of the name are checked', async () => {
    const name = `resnet50-${sha256Of(torch).slice(0, 8)}.pth`;
    hub.put(`/models/${name}`, torch);
    const base = await pulled(`torchvision:${name}`, { licence: 'BSD-3-Clause' });
    expect(base.downloads).toEqual([
      expect.objectContaining({
        address: `https://download.pytorch.org/models/${name}`,
        checkedBy: 'start of the sha256 according to the file name',
      }),
    ]);
    expect(base.manifest).toMatchObject({ name: 'resnet50', licence: 'BSD-3-Clause' });
    expect(base.manifest.origin).toContain(
      `from https://download.pytorch.org/models/${name}, sha256 ${sha256Of(torch)}`,
    );
    expect(await filesIn('bases')).toEqual(['resnet50.json', 'resnet50.onnx']);
    expect(await filesIn('downloads')).toEqual([]);
    await openBase({ base: 'resnet50', precision: 'auto', storageDirectory: storage.path });
  });

  test('Hugging Face: weights in Git LFS from another host, with config and card', async () => {
    const card = Buffer.from('---\nlicense: apache-2.0\n---\n# ResNet');
    const { commit } = hub.repository(
      'me/resnet-50',
      { ...(await folderOf(bf16)), 'README.md': card },
      { licence: 'apache-2.0' },
    );
    const base = await pulled('hf:me/resnet-50', { name: 'mine' });
    expect(base.manifest).toMatchObject({
      name: 'mine',
      licence: 'apache-2.0',
      origin: expect.stringContaining(
        `https://huggingface.co/me/resnet-50/resolve/${commit}/model.safetensors`,
      ),
    });
    expect(base.downloads.map(({ checkedBy }) => checkedBy)).toContain('sha256 according to the hub');
    expect(base.downloads.map(({ checkedBy }) => checkedBy)).toContain('git hash according to the hub');
    expect([...steps]).toContain('downloading model.safetensors');
  });

  test('Hugging Face: several shards, a commit, one file', async () => {
    const { commit } = hub.repository('me/sharded', await folderOf(sharded), { branch: 'v1' });
    const base = await pulled(`hf:me/sharded@${commit}/model.safetensors.index.json`);
    expect(
      base.downloads.filter(({ address }) => /-of-\d{5}\.safetensors$/.test(address)).length,
    ).toBeGreaterThan(1);
    expect(base.manifest.licence).toBe('not stated');
    expect((await refused(pulled('hf:me/sharded', { name: 'other' }))).code).toBe('hub-not-found');
    const none = await refused(pulled('hf:me/sharded@v1/none.bin', { name: 'other' }));
    expect(none.remedy).toContain('model.safetensors.index.json');
  });

  test('Hugging Face: a token is sent to the hub alone', async () => {
    hub.repository('meta/gated', await folderOf(bf16), { token: 'hf_secret' });
    const gated = await refused(pulled('hf:meta/gated'));
    expect(gated).toMatchObject({
      code: 'hub-unauthorized',
      message: expect.stringContaining('is restricted'),
    });
    await pulled('hf:meta/gated', {}, { HF_TOKEN: 'hf_secret' });
    const cdn = new URL(hub.cdn).host;
    const told = hub.requests.filter(({ host }) => host === cdn);
    expect(told.length).toBeGreaterThan(0);
    expect(told.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    await mkdir(join(storage.path, '.cache/huggingface'), { recursive: true });
    await writeFile(join(storage.path, '.cache/huggingface/token'), 'hf_secret\n');
    await pulled('hf:meta/gated', { name: 'from-file' });
  });

  test('Keras: a file that differs from the catalogue is refused', async () => {
    hub.put(
      '/tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5',
      keras,
    );
    expect((await refused(pulled('keras:resnet50'))).message).toContain('94765736 were announced');
    hub.put(
      '/tensorflow/keras-applications/resnet/resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5',
      keras,
    );
    expect((await refused(pulled('keras-resnet101'))).message).toContain(
      'md5 according to the catalogue is 88cf7a10940856eca736dc7b7e228a21',
    );
    await requireNothingLeft();
  });

  test('TensorFlow Hub: an archive is unpacked', async () => {
    const archive = gzipSync(tar(await folderOf(placeOf('tfjs/layers-model-uint8')!)));
    const md5 = Buffer.from(md5Of(archive), 'hex').toString('base64');
    hub.redirect('/api/v1/models/google/resnet-v1/tfJs/50/1/download', `${hub.cdn}/archive`);
    hub.put('/archive', { bytes: archive, headers: { 'x-goog-hash': `md5=${md5}` } });
    const environment = { KAGGLE_USERNAME: 'me', KAGGLE_KEY: 'key' };
    const base = await pulled('tfhub:google/resnet-v1/50', {}, environment);
    expect(base.downloads[0]!.checkedBy).toBe('md5 according to the hub');
    expect(base.manifest.name).toBe('resnet-v1-50');
    expect(hub.requests[0]!.headers.authorization).toBe(`Basic ${Buffer.from('me:key').toString('base64')}`);
    expect(hub.requests[1]!.headers.authorization).toBeUndefined();
    expect(await filesIn('downloads')).toEqual([]);
  });

  test('TensorFlow Hub: no file is unpacked outside the folder', async () => {
    for (const [at, name] of ['../evil.json', '/tmp/evil.json', 'a/../../evil.json'].entries()) {
      hub.put(`/evil-${at}.tar.gz`, gzipSync(tar({ [name]: Buffer.from('{}') })));
      const error = await refused(pulled(`${hub.url}/evil-${at}.tar.gz`));
      expect(error).toMatchObject({ code: 'weights-damaged', message: expect.stringContaining('outside') });
    }
    hub.put('/link.tar.gz', gzipSync(tar({ link: Buffer.alloc(0) }, '2')));
    expect((await refused(pulled(`${hub.url}/link.tar.gz`))).message).toContain('a link or a device');
    hub.put('/cut.tar.gz', gzipSync(tar({ 'a.json': Buffer.alloc(9_000) })).subarray(0, 60));
    expect((await refused(pulled(`${hub.url}/cut.tar.gz`))).code).toBe('weights-damaged');
    await requireNothingLeft();
  });

  test('NVIDIA NGC: the key is sent, and encrypted models are refused', async () => {
    hub.put('/v2/models/nvidia/tao/secret/versions/v1/files/model.etlt', Buffer.alloc(20_000, 7));
    const error = await refused(
      pulled('ngc:nvidia/tao/secret:v1/model.etlt', {}, { NGC_API_KEY: 'nvapi-key' }),
    );
    expect(error.message).toContain('encrypted');
    expect(hub.requests[0]!.headers.authorization).toBe('Bearer nvapi-key');
    await requireNothingLeft();
  });
});

describe('the first download is recorded', () => {
  test('and a file that changed is refused and leaves nothing behind', async () => {
    hub.put('/models/mine.pth', torch);
    const first = await pulled(`${hub.url}/models/mine.pth`, { licence: 'MIT' });
    expect(first.downloads[0]!.checkedBy).toBe('');
    expect(notices.join()).toContain(`its sha256 ${sha256Of(torch)} is recorded`);
    const again = await pulled(`${hub.url}/models/mine.pth`, { name: 'again' });
    expect(again.downloads[0]!.checkedBy).toBe('sha256 according to the first download');
    const changed = Buffer.from(torch);
    changed[changed.length - 40_000]! ^= 1;
    hub.put('/models/mine.pth', changed);
    const before = await filesIn('bases');
    const error = await refused(pulled(`${hub.url}/models/mine.pth`, { name: 'third' }));
    expect(error).toMatchObject({
      code: 'download-changed',
      message: expect.stringContaining(sha256Of(changed)),
    });
    expect(await filesIn('bases')).toEqual(before);
    expect(await filesIn('downloads')).toEqual([]);
  });

  test('only if it could be imported', async () => {
    hub.put('/models/mine.pth', Buffer.alloc(50_000, 1));
    expect((await refused(pulled(`${hub.url}/models/mine.pth`))).code).toBe('weights-unsupported');
    await requireNothingLeft();
    hub.put('/models/mine.pth', torch);
    await pulled(`${hub.url}/models/mine.pth`);
  });
});

test('an interrupted pull is continued by the next one', async () => {
  hub.put('/models/mine.pth', torch);
  hub.plan(...Array.from({ length: 3 }, () => ({ cutAfter: 30_000 })));
  const error = await refused(pulled(`${hub.url}/models/mine.pth`));
  expect(error).toMatchObject({
    code: 'hub-unreachable',
    message: expect.stringContaining('0.1 MB are kept'),
  });
  hub.requests.length = 0;
  await pulled(`${hub.url}/models/mine.pth`);
  expect(hub.requests.map(({ headers }) => headers.range)).toEqual(['bytes=90000-']);
  expect(await filesIn('downloads')).toEqual([]);
});

test('at most four interrupted downloads are kept', async () => {
  for (const at of [1, 2, 3, 4, 5, 6]) {
    hub.put(`/models/m${at}.pth`, torch);
    hub.plan(...Array.from({ length: 3 }, () => ({ cutAfter: 30_000 })));
    expect((await refused(pulled(`${hub.url}/models/m${at}.pth`))).code).toBe('hub-unreachable');
  }
  const kept = (await filesIn('downloads')).map((name) => /m\d/.exec(name)?.[0]);
  expect(kept).toEqual(['m3', 'm4', 'm5', 'm6']);
});

test('two pulls of one base at once: the second is refused', async () => {
  hub.put('/models/mine.pth', torch);
  let second: Promise<QcError> | undefined;
  hub.plan({
    onBegin: () => {
      second = refused(pulled(`${hub.url}/models/mine.pth`));
    },
  });
  await pulled(`${hub.url}/models/mine.pth`);
  expect((await second)?.code).toBe('download-busy');
});

describe('licences', () => {
  test('that exclude commercial use are refused before anything is downloaded', async () => {
    const error = await refused(pulled('barlowtwins-resnet50'));
    expect(error).toMatchObject({
      code: 'licence-refused',
      remedy: expect.stringContaining('--accept-licence'),
    });
    hub.repository('me/research', await folderOf(bf16), { licence: 'cc-by-nc-4.0' });
    expect((await refused(pulled('hf:me/research'))).code).toBe('licence-refused');
    expect(hub.requests.filter(({ path }) => path.includes('/resolve/'))).toEqual([]);
    await requireNothingLeft();
    const base = await pulled('hf:me/research', { acceptLicence: true });
    expect(base.manifest.licence).toBe('cc-by-nc-4.0');
  });

  test('are read from the card if the hub does not state them', async () => {
    const card = Buffer.from('---\nlicense: cc-by-nc-sa-4.0\n---\n');
    hub.repository('me/card', { ...(await folderOf(bf16)), 'README.md': card });
    expect((await refused(pulled('hf:me/card'))).code).toBe('licence-refused');
    await requireNothingLeft();
  });
});

describe('without the network', () => {
  test('a local file is checked in the same way', async () => {
    const stick = join(storage.path, 'stick');
    await mkdir(stick);
    const name = `resnet50-${sha256Of(torch).slice(0, 8)}.pth`;
    await writeFile(join(stick, name), torch);
    await writeFile(join(stick, 'resnet50-0676ba61.pth'), torch);
    const wrong = await refused(pulled('resnet50', { from: join(stick, 'resnet50-0676ba61.pth') }));
    expect(wrong).toMatchObject({ code: 'download-wrong', message: expect.stringContaining('0676ba61') });
    await requireNothingLeft();
    const base = await pulled(`torchvision:${name}`, { from: stick });
    expect(base.downloads[0]!.checkedBy).toBe('start of the sha256 according to the file name');
    const sha256 = sha256Of(Buffer.from('other'));
    expect((await refused(pulled(`torchvision:${name}`, { from: stick, name: 'b', sha256 }))).code).toBe(
      'download-wrong',
    );
    expect((await refused(pulled('resnet18', { from: join(stick, 'none') }))).code).toBe('weights-missing');
    expect(hub.requests).toEqual([]);
  });

  test('a local folder of Hugging Face', async () => {
    const base = await pulled('microsoft-resnet50', { from: bf16 });
    expect(base.manifest).toMatchObject({ name: 'microsoft-resnet50', licence: 'Apache-2.0' });
    expect(base.manifest.origin).toContain('34c2154c194f829b11125337b98c8f5f9965ff19/model.safetensors');
    expect(hub.requests).toEqual([]);
  });

  test('HF_HUB_OFFLINE: the cache of Hugging Face is used, and its hashes are checked', async () => {
    const commit = 'a'.repeat(40);
    const cache = join(storage.path, 'home/hub/models--me--cached');
    await mkdir(join(cache, 'refs'), { recursive: true });
    await mkdir(join(cache, 'blobs'));
    await mkdir(join(cache, 'snapshots', commit), { recursive: true });
    await writeFile(join(cache, 'refs/main'), commit);
    for (const [name, bytes] of Object.entries(await folderOf(bf16))) {
      await writeFile(join(cache, 'blobs', sha256Of(bytes)), bytes);
      await symlink(join('../../blobs', sha256Of(bytes)), join(cache, 'snapshots', commit, name));
    }
    const environment = { HF_HUB_OFFLINE: '1', HF_HOME: join(storage.path, 'home') };
    const base = await pulled('hf:me/cached', {}, environment);
    expect(base.downloads[0]!.checkedBy).toBe('sha256 according to the hub');
    expect((await refused(pulled('hf:me/other', {}, environment))).code).toBe('hub-offline');
    expect((await refused(pulled('resnet50', {}, environment))).code).toBe('hub-offline');
    const blob = join(cache, 'blobs', sha256Of(await readFile(join(bf16, 'model.safetensors'))));
    await copyFile(placeOf('torchvision/resnet50-small-dino-full.pth')!, blob);
    expect((await refused(pulled('hf:me/cached', { name: 'b' }, environment))).code).toBe('download-changed');
    expect(hub.requests).toEqual([]);
  });
});

test('a used name is refused before the download', async () => {
  hub.put('/models/mine.pth', torch);
  await pulled(`${hub.url}/models/mine.pth`);
  hub.requests.length = 0;
  expect((await refused(pulled(`${hub.url}/models/mine.pth`))).code).toBe('base-exists');
  expect(hub.requests).toEqual([]);
});

test('no token is in a message, a notice or a file', async () => {
  await cp(bf16, join(storage.path, 'copy'), { recursive: true });
  hub.repository('me/token', await folderOf(bf16), { token: 'other' });
  const error = await refused(pulled('hf:me/token', {}, { HF_TOKEN: 'hf_verysecret' }));
  expect(`${error.line} ${JSON.stringify(error)} ${notices.join()}`).not.toContain('hf_verysecret');
});

/** A tar archive in the format of bsdtar. */
function tar(files: Readonly<Record<string, Buffer>>, type = '0'): Buffer {
  const blocks = Object.entries(files).flatMap(([name, bytes]) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 'latin1');
    header.write('0000644\0', 100, 'latin1');
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    header.write('        ', 148, 'latin1');
    header.write(type, 156, 'latin1');
    header.write('ustar\x0000', 257, 'latin1');
    const sum = header.reduce((all, byte) => all + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
