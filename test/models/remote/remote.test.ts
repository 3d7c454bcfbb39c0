import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Closer } from '../../../agent/lifecycle/closer.ts';
import { remoteSchema } from '../../../config/model-schema.ts';
import { openBase } from '../../../models/base.ts';
import type { BaseManifest } from '../../../models/manifest.ts';
import { valueInfo } from '../../../models/onnx/build.ts';
import { fitGraph } from '../../../models/onnx/fit-manifest.ts';
import { encodeModel, type OnnxModel } from '../../../models/onnx/proto.ts';
import type { RemoteNews } from '../../../models/run/messages.ts';
import { openSession, type Session } from '../../../models/run/session.ts';
import { makeAuthority } from '../../rigs/certificates.ts';
import { freePort } from '../../rigs/free-port.ts';
import { type Fault, openInferenceServer, type ServerOptions } from '../../rigs/inference-server.ts';
import { until } from '../../rigs/until.ts';
import { formulaImage } from '../formula-image.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyClassifier, tinyManifest, writeTiny } from '../tiny-model.ts';

const pictures = Array.from({ length: 24 }, (_, n) => formulaImage(30 + n, 40 - n));

interface Bench extends AsyncDisposable {
  readonly folder: string;
  readonly base: string;
  /** The model for a server. */
  readonly served: Uint8Array;
  /** Features of `images` by the base on this machine. */
  readonly features: readonly Float32Array[];
  /** Provider on this machine. */
  readonly here: string;
  serve(options?: Partial<ServerOptions>): ReturnType<typeof openInferenceServer>;
  open(remote: Record<string, unknown>, size?: number): Promise<Opened>;
}

interface Opened {
  readonly session: Session;
  readonly news: RemoteNews[];
  /** Judges all images at once and compares them with the base on this machine; returns the providers. */
  judge(): Promise<string[]>;
  outcomes(): string[];
}

/** Another seed gives other features, like weights of another base. */
const featuresOnly = (model: OnnxModel, manifest: BaseManifest): Uint8Array => {
  const { cut } = fitGraph('tiny', manifest, model as Parameters<typeof fitGraph>[2]);
  return encodeModel(cut!);
};

async function openBench(changes: Partial<BaseManifest> = {}): Promise<Bench> {
  await using opened = new Closer();
  const folder = opened.use(await tempFolder()).path;
  const plain = { precision: 'auto', threads: 1 } as const;
  const first = await writeTiny(folder, changes);
  const features: Float32Array[] = [];
  let here: string;
  {
    await using local = await openSession({ ...plain, base: first, provider: 'auto' });
    here = local.facts.provider;
    for (const picture of pictures) features.push(await local.features(picture));
  }
  const { model, manifest } = await openBase({ base: first, precision: 'auto' });
  const served = model as Uint8Array;
  const all = opened.move();
  return {
    folder,
    base: first,
    served,
    features,
    here,
    async serve(options = {}) {
      return all.use(await openInferenceServer({ model: served, ...options }));
    },
    async open(remote, size = 0) {
      const news: RemoteNews[] = [];
      const session = all.use(
        await openSession({
          ...plain,
          base: first,
          provider: 'remote',
          batch: { size, waitMs: 0 },
          remote: remoteSchema.parse({ model: 'base', ...remote }),
          onRemote: (one) => void news.push(one),
        }),
      );
      expect(session.facts.manifest).toEqual(manifest);
      return {
        session,
        news,
        outcomes: () => news.flatMap((one) => (one.kind === 'asked' ? one.outcome : [])),
        async judge() {
          const judged = await Promise.all(pictures.map((picture) => session.judge(picture)));
          for (const [n, one] of judged.entries()) {
            for (const [d, value] of one.features.entries()) expect(value).toBeCloseTo(features[n]![d]!, 4);
          }
          return [...new Set(judged.map(({ ranOn }) => ranOn.provider))].sort();
        },
      };
    },
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

const back = (opened: Opened) =>
  until(async () => (await opened.judge()).join() === 'remote', {
    timeoutMs: 15_000,
    everyMs: 100,
    what: 'the server to be asked again',
  });

describe('a base on an inference server', () => {
  test('is used with several simultaneous requests and several images per request', async () => {
    await using bench = await openBench();
    const server = await bench.serve({ delayMs: 20 });
    const opened = await bench.open({ url: server.url });
    const { facts } = opened.session;
    expect(facts).toMatchObject({ provider: 'remote', precision: 'fp32', batch: 4, parallel: 2 });
    expect(await opened.judge()).toEqual(['remote']);
    expect(opened.news[0]).toMatchObject({
      kind: 'up',
      description: expect.stringMatching(
        /^test server 1\.0 at http:\S+, model base, version 1, binary data, up to 4 images per request, \d+ ms per image$/,
      ),
    });
    expect(server.served).toMatchObject({ largest: 4, parallel: 2, refused: [] });
    expect([...server.served.encodings]).toEqual(['binary']);
    // Connections are kept: two for images, and those of the first check are used again.
    expect(server.served.connections).toBeLessThanOrEqual(3);
  });

  test.each([
    ['announces binary data and no configuration', { extensions: ['binary_tensor_data'] }, 'binary', 4],
    ['understands binary data without saying so', { extensions: [], binary: true }, 'binary', 4],
    ['knows only JSON', { extensions: [], binary: false }, 'json', 4],
    ['takes two pictures at most', { maxBatch: 2 }, 'binary', 2],
    ['has no versions', { version: null }, 'binary', 4],
  ] as const)('is used according to its capabilities: one that %s', async (_, options, encoding, batch) => {
    await using bench = await openBench();
    const server = await bench.serve(options);
    const opened = await bench.open({ url: `${server.url}/` });
    expect(opened.session.facts).toMatchObject({ provider: 'remote', batch });
    expect(await opened.judge()).toEqual(['remote']);
    expect([...server.served.encodings]).toEqual([encoding]);
  });

  test('receives one image at a time if its graph requires it', async () => {
    await using bench = await openBench();
    const model = tinyClassifier();
    model.graph!.input[0] = valueInfo('data', [1, 3, 32, 32]);
    const server = await bench.serve({ model: featuresOnly(model, tinyManifest(new Uint8Array())) });
    const opened = await bench.open({ url: server.url });
    expect(opened.session.facts.batch).toBe(1);
    expect(await opened.judge()).toEqual(['remote']);
  });

  test('is used over TLS only with a known authority', async () => {
    await using bench = await openBench();
    const authority = makeAuthority(bench.folder);
    const server = await bench.serve({ tls: authority.issue() });
    const known = await bench.open({ url: server.url, ca: authority.ca });
    expect(await known.judge()).toEqual(['remote']);
    const unknown = await bench.open({ url: server.url });
    expect(await unknown.judge()).toEqual([bench.here]);
    expect(unknown.session.facts.why[0]).toMatch(
      /^remote: https:\S+ cannot be reached: .*(certificate|issuer)/,
    );
  });

  test('is used with a token that is read again from its file', async () => {
    await using bench = await openBench();
    const tokenFile = join(bench.folder, 'token');
    await writeFile(tokenFile, 'old\n');
    const server = await bench.serve({ token: 'new' });
    const opened = await bench.open({ url: server.url, tokenFile });
    expect(opened.session.facts.why[0]).toMatch(/responds with status 401: the token is missing or wrong$/);
    expect(await opened.judge()).toEqual([bench.here]);
    await writeFile(tokenFile, 'new\n');
    await back(opened);
    expect(opened.news.some((one) => one.kind === 'up')).toBe(true);
  });
});

describe('a wrong server', () => {
  test.each([
    [
      'other weights',
      (manifest: BaseManifest) => ({ model: featuresOnly(tinyClassifier(2), manifest) }),
      /features of the test image/,
    ],
    [
      'the whole classifier',
      () => ({ model: encodeModel(tinyClassifier()) }),
      /has the outputs logits \[-1,1000\] FP32; the manifest says flat \[-1 or 1,8\] FP32/,
    ],
    ['another model', () => ({ name: 'other' }), /responds with status 404: there is no model base/],
  ] as const)('is refused, and this machine judges: %s', async (_, change, reason) => {
    await using bench = await openBench();
    const options = change(tinyManifest(new Uint8Array()));
    const server = await bench.serve(options);
    const opened = await bench.open({ url: server.url });
    expect(opened.session.facts.why[0]).toMatch(reason);
    expect(await opened.judge()).toEqual([bench.here]);
    expect(opened.news).toEqual([
      expect.objectContaining({ kind: 'down', ranOn: { provider: bench.here, precision: 'fp32' } }),
    ]);
    expect(server.served.answered).toBeLessThanOrEqual(1);
  });

  test('that needs too long for one image is not used', async () => {
    await using bench = await openBench();
    const server = await bench.serve({ delayMs: 150 });
    const opened = await bench.open({ url: server.url, timeoutMs: 100 });
    expect(opened.session.facts.why[0]).toMatch(/^remote: \S+ does not respond within 100 ms$/);
    expect(await opened.judge()).toEqual([bench.here]);
  });

  test('that was restarted with other weights is detected before it judges a part', async () => {
    await using bench = await openBench();
    const first = await bench.serve();
    const opened = await bench.open({ url: first.url });
    expect(await opened.judge()).toEqual(['remote']);
    const { port } = first;
    await first[Symbol.asyncDispose]();
    // The same name, the same version.
    const model = featuresOnly(tinyClassifier(2), tinyManifest(new Uint8Array()));
    const second = await bench.serve({ port, model });
    expect(await opened.judge()).toEqual([bench.here]);
    // Only the result of the failed check.
    expect(second.served.answered).toBeLessThanOrEqual(2);
    await second.replace(bench.served);
    await back(opened);
  });

  test('that closes its connections between two parts is still used', async () => {
    await using bench = await openBench();
    const server = await bench.serve();
    const opened = await bench.open({ url: server.url });
    for (let n = 0; n < 3; n++) {
      server.hangUp();
      expect(await opened.judge()).toEqual(['remote']);
    }
    expect(server.served.connections).toBeGreaterThan(3);
  });

  test('that changes its model while the line runs is checked again first', async () => {
    await using bench = await openBench();
    const server = await bench.serve();
    const opened = await bench.open({ url: server.url });
    expect(await opened.judge()).toEqual(['remote']);
    await server.replace(featuresOnly(tinyClassifier(2), tinyManifest(new Uint8Array())), '2');
    expect(await opened.judge()).toEqual([bench.here]);
    await until(() => opened.news.some((one) => one.kind === 'down' && /test image/.test(one.reason)), {
      what: 'the new model to be refused',
    });
    await server.replace(bench.served, '3');
    await back(opened);
  });
});

describe('an image on which the server fails', () => {
  test.each<[Fault, string]>([
    ['slow', 'timeout'],
    ['garbage', 'invalid'],
    ['not finite', 'invalid'],
    ['wrong shape', 'invalid'],
    ['wrong number', 'invalid'],
    ['missing output', 'invalid'],
    ['another id', 'invalid'],
    ['endless', 'invalid'],
    ['internal error', 'failed'],
    ['hangs up', 'unreachable'],
  ])('is judged here immediately: %s', async (fault, outcome) => {
    await using bench = await openBench();
    const server = await bench.serve();
    const opened = await bench.open({ url: server.url, timeoutMs: 400 });
    expect(await opened.judge()).toEqual(['remote']);
    server.fault = fault;
    const asked = opened.outcomes().length;
    expect(await opened.judge()).toEqual([bench.here]);
    const outcomes = opened.outcomes().slice(asked);
    expect(new Set(outcomes)).toEqual(new Set([outcome]));
    // It is not asked for every image: a failing server gets a pause.
    expect(outcomes.length).toBeLessThanOrEqual(4);
    server.fault = 'none';
    await back(opened);
    expect(opened.news.filter(({ kind }) => kind !== 'asked').map(({ kind }) => kind)).toEqual([
      'up',
      'down',
      'up',
    ]);
  });

  test('does not affect other images, and a single late answer does not stop the use of the server', async () => {
    await using bench = await openBench();
    const server = await bench.serve();
    const opened = await bench.open({ url: server.url, timeoutMs: 300, parallel: 1 }, 1);
    server.fault = 'internal error';
    expect((await opened.session.judge(pictures[0]!)).ranOn.provider).toBe(bench.here);
    server.fault = 'none';
    expect((await opened.session.judge(pictures[0]!)).ranOn.provider).toBe('remote');
    await expect(
      opened.session.judge({ width: 9, height: 9, data: new Uint8Array(5) }),
    ).rejects.toMatchObject({ code: 'image-invalid' });
    expect(await opened.judge()).toEqual(['remote']);
  });

  test('is also judged if the server is offline at the start; the server is used when it is online', async () => {
    await using bench = await openBench();
    const port = await freePort();
    const opened = await bench.open({ url: `http://127.0.0.1:${port}` });
    expect(opened.session.facts.why[0]).toMatch(/cannot be reached: connect ECONNREFUSED/);
    expect(await opened.judge()).toEqual([bench.here]);
    await bench.serve({ port });
    await back(opened);
  });
});

test('closing does not wait for a frozen server', async () => {
  await using bench = await openBench();
  const server = await bench.serve();
  const { session } = await bench.open({ url: server.url });
  server.fault = 'slow';
  const judged = session.judge(pictures[0]!);
  await session[Symbol.asyncDispose]();
  expect((await judged).ranOn.provider).toBe(bench.here);
  expect(await session.ended).toBeUndefined();
});
