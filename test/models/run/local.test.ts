/** Every unused onnxruntime session is released. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { manifestText } from '../../../models/manifest.ts';
import { encodeModel } from '../../../models/onnx/proto.ts';
import { openLocally } from '../../../models/run/local.ts';
import type { Native } from '../../../models/run/runner.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyClassifier, tinyManifest, writeTiny } from '../tiny-model.ts';

const native: Native = (call) => call();
const { create } = ort.InferenceSession;
type Options = ort.InferenceSession.SessionOptions;

/** Sessions opened, and how many of them are open. */
const sessions: ort.InferenceSession[] = [];
let open = 0;

function count(session: ort.InferenceSession): ort.InferenceSession {
  sessions.push(session);
  open++;
  const release = session.release.bind(session);
  session.release = async () => {
    open--;
    await release();
  };
  return session;
}

beforeEach(() => {
  sessions.length = 0;
  open = 0;
  vi.spyOn(ort.InferenceSession, 'create').mockImplementation(async (model: unknown, options?: unknown) =>
    // The CPU replaces the missing GPU.
    count(await create(model as Uint8Array, { ...(options as Options), executionProviders: ['cpu'] })),
  );
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

it('a variant that fails its check is released before the float base is opened', async () => {
  await using folder = await tempFolder();
  const base = await writeTiny(folder.path);
  const bytes = encodeModel(tinyClassifier());
  await mkdir(join(folder.path, 'bases'));
  await writeFile(join(folder.path, 'bases', 'tiny.int8-1.onnx'), encodeModel(tinyClassifier(2)));
  const variant = encodeModel(tinyClassifier(2));
  const manifest = tinyManifest(variant, {
    file: 'tiny.int8-1.onnx',
    precision: 'int8',
    variantOf: createHash('sha256').update(bytes).digest('hex'),
    check: { image: 'gradient-1', features: { 0: 90, 1: 90, 2: 90, 3: 90 }, norm: 180 },
    quantization: {
      method: 'percentile',
      frames: 8,
      source: 'the test',
      correlation: 1,
      leastCorrelation: 1,
      speedup: 2,
      threads: 1,
      float: [],
      operators: 1,
      heldOut: null,
      madeAt: '2026-11-30T00:00:00.000Z',
    },
  });
  await writeFile(join(folder.path, 'bases', 'tiny.int8.json'), manifestText(manifest));
  const request = {
    base,
    precision: 'auto',
    provider: 'cpu',
    threads: 1,
    storageDirectory: folder.path,
  } as const;
  const { opened } = await openLocally(request, native);
  expect(opened.facts.precision).toBe('fp32');
  expect(opened.facts.why.join()).toContain('int8: ');
  expect(open).toBe(1);
});

it('the session for reference features on the CPU is released, also if it fails', async () => {
  await using folder = await tempFolder();
  const base = await writeTiny(folder.path);
  vi.stubEnv('VK_DRIVER_FILES', '/nowhere/lvp_icd.json');
  const opening = vi.mocked(ort.InferenceSession.create).getMockImplementation()!;
  let opens = 0;
  vi.mocked(ort.InferenceSession.create).mockImplementation(async (...args: Parameters<typeof opening>) => {
    const session = await opening(...args);
    if (++opens === 2) session.run = async () => Promise.reject(new Error('no memory'));
    return session;
  });
  const request = { base, precision: 'auto', provider: 'webgpu', threads: 1 } as const;
  await expect(openLocally(request, native)).rejects.toMatchObject({ code: 'provider-unavailable' });
  expect(sessions).toHaveLength(2);
  expect(open).toBe(0);
});
