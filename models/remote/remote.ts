/**
 * A base on an inference server, with the same base on this machine beside it: whatever the server does not answer well and in
 * time is judged here, at once.
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

/** Pictures in one request where nothing else is said: a request is large, and time on the network counts. */
const usualBatch = 4;

export interface Remotely {
  readonly opened: Opened;
  readonly runner: Runner;
}

/**
 * Opens the base here, then looks at the server: where it fails, this machine judges until it is well.
 * @throws QcError what `openLocally` throws
 */
export async function openRemotely(
  request: WorkerRequest & { readonly remote: RemoteConfig },
  native: Native,
  tell: (news: RemoteNews) => void,
): Promise<Remotely> {
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
  /** One run after the other: they share their tensors. */
  function runHere(images: readonly Image[], maps = false): Promise<ImageFeatures[]> {
    const run = turn.then(() => local.run(images, { wide: true, maps }));
    turn = run.catch(() => undefined);
    return run.then((described) => described.map((one) => ({ ...one, ranOn: here })));
  }

  const batch = request.batch || usualBatch;
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

  /** What the check picture must give; a manifest that does not say so is helped out by the base on this machine. */
  async function expected(): Promise<Pick<RemoteBase, 'check' | 'precision'>> {
    if (manifest.check) return { check: manifest.check, precision: manifest.precision };
    const { width, height } = manifest.input;
    const [described] = await runHere([checkImage(width, height)]);
    const { precision } = facts.precision === 'fp32' ? manifest : facts;
    return { check: recordCheck(described!.features), precision };
  }

  const prepare = makePrepare(manifest.input);
  const length = 3 * manifest.input.width * manifest.input.height;
  /** Tensors whose requests were answered, for the next ones. */
  const spare: Float32Array[] = [];

  async function ask(server: Server, images: readonly Image[]): Promise<ImageFeatures[]> {
    const at = spare.findIndex((one) => one.length >= images.length * length);
    const tensor = at >= 0 ? spare.splice(at, 1)[0]! : new Float32Array(server.batch * length);
    // A picture that is none is no fault of the server.
    const preparing = performance.now();
    for (const [n, image] of images.entries()) prepare(image, tensor.subarray(n * length, (n + 1) * length));
    const begun = performance.now();
    const prepareMs = (begun - preparing) / images.length;
    const count = (outcome: string) =>
      tell({ kind: 'asked', outcome, seconds: (performance.now() - begun) / 1000 });
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
        // A server gives features only.
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

/** Bounded: the last word of the code. */
function outcomeOf(error: unknown): string {
  if (!(error instanceof QcError)) return 'invalid';
  const [, kind = 'invalid'] = /^inference-server-(\w+)$/.exec(error.code) ?? [];
  return kind;
}
