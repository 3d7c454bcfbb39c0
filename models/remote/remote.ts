/**
 * A base on an inference server, with the same base on this machine as a fallback: if the server fails or is too slow, the image is
 * processed here immediately.
 */
import { QcError } from '../../config/errors.ts';
import type { RemoteConfig } from '../../config/schema.ts';
import { openBase } from '../base.ts';
import type { Image } from '../image.ts';
import { makePrepare } from '../prepare/prepare.ts';
import { openLocally } from '../run/local.ts';
import type { Opened, RemoteNews, WorkerRequest } from '../run/messages.ts';
import type { RanOn } from '../run/providers.ts';
import type { ImageFeatures, Native, Runner } from '../run/runner.ts';
import { checkImage, recordCheck } from '../run/warm-up-check.ts';
import { openCircuit } from './circuit.ts';
import { openServer, type RemoteBase, type Server } from './server.ts';

/** Default number of images in one request: requests are large, and the network takes time. */
const defaultBatch = 4;

export interface OpenedRemotely {
  readonly opened: Opened;
  readonly runner: Runner;
}

/**
 * Opens the base on this machine, then probes the server. While the server fails, this machine processes the images.
 * @throws QcError as `openLocally`
 */
export async function openRemotely(
  request: WorkerRequest & { readonly remote: RemoteConfig },
  native: Native,
  tell: (news: RemoteNews) => void,
): Promise<OpenedRemotely> {
  const { remote } = request;
  const base = await openBase(request);
  const { manifest, output } = base;
  const { opened, runner: local } = await openLocally(
    { ...request, provider: 'auto', batch: 0 },
    native,
    base,
  );
  const { facts } = opened;
  const here: RanOn = { provider: facts.provider, precision: facts.precision };
  const there: RanOn = { provider: 'remote', precision: manifest.precision };

  let turn: Promise<unknown> = Promise.resolve();
  /** One run at a time, because runs share their tensors. */
  function runHere(images: readonly Image[], maps = false): Promise<ImageFeatures[]> {
    const run = turn.then(() => local.run(images, { wide: true, maps }));
    turn = run.catch(() => undefined);
    return run.then((described) => described.map((one) => ({ ...one, ranOn: here })));
  }

  const batch = request.batch || defaultBatch;
  const wanted: RemoteBase = { manifest, output, batch, ...(await expected()) };
  const why = [...facts.why];
  let isOpen = false;
  const circuit = await openCircuit({
    open: (signal) => openServer(remote, wanted, signal),
    onUp: ({ description }) => tell({ kind: 'up', description, ranOn: there }),
    onDown({ message, remedy }) {
      if (!isOpen) why.unshift(`remote: ${message}`);
      tell({ kind: 'down', reason: message, remedy, ranOn: here });
    },
  });
  isOpen = true;

  /** Expected features of the test image, from the manifest or computed by the base on this machine. */
  async function expected(): Promise<Pick<RemoteBase, 'check' | 'precision'>> {
    if (manifest.check) return { check: manifest.check, precision: manifest.precision };
    const { width, height } = manifest.input;
    const [described] = await runHere([checkImage(width, height)]);
    const { precision } = facts.precision === 'fp32' ? manifest : facts;
    return { check: recordCheck(described!.features), precision };
  }

  const prepare = makePrepare(manifest.input);
  const length = 3 * manifest.input.width * manifest.input.height;
  /** Tensors for reuse. */
  const spare: Float32Array[] = [];

  async function ask(server: Server, images: readonly Image[]): Promise<ImageFeatures[]> {
    const at = spare.findIndex((one) => one.length >= images.length * length);
    const tensor = at >= 0 ? spare.splice(at, 1)[0]! : new Float32Array(server.batch * length);
    // An invalid image is not an error of the server: it is prepared outside of the try block.
    const preparedFrom = performance.now();
    for (const [n, image] of images.entries()) prepare(image, tensor.subarray(n * length, (n + 1) * length));
    const startedAt = performance.now();
    const prepareMs = (startedAt - preparedFrom) / images.length;
    const count = (outcome: string) =>
      tell({ kind: 'asked', outcome, seconds: (performance.now() - startedAt) / 1000 });
    try {
      const rows = await server.infer(tensor.subarray(0, images.length * length), images.length);
      circuit.answered();
      count('answered');
      if (spare.length < remote.parallel) spare.push(tensor);
      return rows.map((features) => ({ features, prepareMs, ranOn: there }));
    } catch (error) {
      circuit.failed(server, error);
      count(outcomeOf(error));
      return runHere(images);
    }
  }

  const server = circuit.server as Server | undefined;
  return {
    opened: {
      facts: {
        ...facts,
        manifest,
        provider: 'remote',
        precision: manifest.precision,
        batch: server?.batch ?? facts.batch,
        parallel: remote.parallel,
        why,
      },
      compiled: undefined,
    },
    runner: {
      parallel: remote.parallel,
      openMaps: () => local.openMaps(),
      async run(images, { maps = false } = {}) {
        // A server returns features only.
        if (maps) return runHere(images, maps);
        const described: ImageFeatures[] = [];
        while (described.length < images.length) {
          const left = images.slice(described.length);
          const { server } = circuit;
          described.push(...(await (server ? ask(server, left.slice(0, server.batch)) : runHere(left))));
        }
        return described;
      },
      close: () => circuit.close(),
    },
  };
}

/** The last word of the error code, which is a bounded set. */
function outcomeOf(error: unknown): string {
  if (!(error instanceof QcError)) return 'invalid';
  const [, kind = 'invalid'] = /^inference-server-(\w+)$/.exec(error.code) ?? [];
  return kind;
}
