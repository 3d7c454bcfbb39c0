/** A base on this machine: the first provider that opens it and passes the check. */
import { QcError } from '../../config/errors.ts';
import { type Base, mapShapes, openBase } from '../base.ts';
import { cacheIn } from '../disk/layout.ts';
import type { Check, Precision } from '../manifest.ts';
import { type Choice, fastestOf } from './fastest.ts';
import { brief } from './head-sessions.ts';
import { openMappedBase, requireMaps, withMaps } from './mapped.ts';
import type { Compiled, Opened, SessionFacts, WorkerRequest } from './messages.ts';
import {
  type OnnxSession,
  openAsItIs,
  openFromCache,
  openGraphFile,
  openWider,
  type ProvedSetup,
  type SessionSetup,
  sizes,
} from './onnx-session.ts';
import { doubt, type Provider, providers } from './providers.ts';
import type { ImageFeatures, Native, Runner } from './runner.ts';
import { type Spread, spreadOnCpu } from './threads.ts';
import { checkFailure, checkImage, recordCheck } from './warm-up-check.ts';

/**
 * Pictures in one run where nothing else is said: a GPU takes as long for a few as for one, a CPU as long as one by one, and
 * TensorRT builds an engine for every size at every start, since the binding passes it neither profile nor cache.
 */
const usualBatch: Readonly<Record<Provider, number>> = { cpu: 1, tensorrt: 1, cuda: 8, webgpu: 8 };

export interface LocalRequest extends WorkerRequest {
  readonly provider: 'auto' | Provider;
}

interface Candidate extends Choice {
  readonly provider: Provider;
  /** Where it fails the next one is tried; the last one on the CPU must run. */
  readonly optional: boolean;
}

/** What is tried, in this order: a GPU takes the base in fp16 or float, the CPU the fastest variant that passed its gate. */
async function candidates(request: LocalRequest, base: Base): Promise<Candidate[]> {
  const because = request.precision === 'auto' ? 'a GPU runs it in float' : 'model.precision says so';
  const found: Candidate[] = [];
  for (const provider of request.provider === 'auto' ? providers : [request.provider]) {
    if (provider !== 'cpu') {
      const half = doubt(provider).absent ? undefined : await halfOf(request, base);
      if (half) found.push({ provider, base: half, because: 'a GPU runs fp16 fastest', optional: true });
      found.push({ provider, base, because, optional: true });
      continue;
    }
    const choice = await fastestOf(request, base, extraOf(request));
    found.push({ ...choice, provider, optional: choice.base !== base });
    if (choice.base !== base) {
      found.push({ provider, base, because: 'its int8 variant does not run here', optional: false });
    }
  }
  return found;
}

const extraOf = ({ pooled }: LocalRequest) => (pooled ? ('pooled' as const) : undefined);

/** Its fp16 variant for a GPU, where there is one of this very base: the binding has no switch for it. */
async function halfOf(request: LocalRequest, base: Base): Promise<Base | undefined> {
  if (request.precision !== 'auto' || request.provider === 'cpu') return undefined;
  const half = await openBase({ ...request, precision: 'fp16' }, extraOf(request)).catch(() => undefined);
  const isItsOwn = half?.manifest.precision === 'fp16' && half.manifest.variantOf === base.manifest.sha256;
  return isItsOwn ? half : undefined;
}

/** What a session gives for the picture of the check. */
interface Proof {
  /** Of the manifest, or as the CPU gave it. */
  readonly check: Check;
  readonly failure: string | undefined;
}

export interface OpenedHere {
  readonly opened: Opened;
  readonly runner: Runner;
}

/**
 * Opens the base on the first provider that passes the check.
 * @param opened the base, where whoever asks has opened it already
 * @throws QcError what `openBase` throws, model-damaged, model-check-failed, provider-unavailable
 */
export async function openLocally(request: LocalRequest, native: Native, opened?: Base): Promise<OpenedHere> {
  const again = request.compiled && (await openAgain(request, request.compiled, native));
  if (again) return again;
  const float = opened ?? (await openBase(request, extraOf(request)));
  const why: string[] = [];
  for (const { provider, base, because, optional } of await candidates(request, float)) {
    const { manifest } = base;
    const { precision } = manifest;
    const { absent, slow } = doubt(provider);
    let reason = absent ?? (request.provider === 'auto' ? slow : undefined);
    if (reason === undefined) {
      try {
        const batch = batchOf(provider, base);
        const { narrow, wide } = spreadOf(provider, precision);
        const setup = {
          provider,
          base,
          threads: narrow,
          batch,
          gpu: request.gpu,
          profile: request.profile,
          native,
        };
        const session = await open(request, setup, wide, why);
        const proof = await orRelease(session, () => prove(setup, session));
        reason = proof.failure;
        if (reason === undefined) {
          if (slow) why.push(`a GPU: ${slow}, slower than the CPU provider`);
          if (provider === 'webgpu' && request.gpu?.deviceId) {
            why.push('model.gpu.deviceId: WebGPU takes the first adapter');
          }
          const facts = { manifest, precision, because, provider, batch, why, maps: mapShapes(base) };
          return {
            opened: { facts, compiled: compiledOf(session, facts, base, proof.check) },
            runner: withMaps(session, () => openMapped(request, setup, wide, proof.check)),
          };
        }
        await session.release();
      } catch (error) {
        if (!optional) throw refused(error, base);
        reason = brief(error);
      }
    }
    const what = provider === 'cpu' ? precision : base === float ? provider : `${provider} ${precision}`;
    why.push(`${what}: ${reason}`);
  }
  throw new QcError('provider-unavailable', `no provider can run the model: ${why.join('; ')}`);

  function spreadOf(provider: Provider, precision: Precision): Pick<Spread, 'narrow' | 'wide'> {
    const { threads } = request;
    return provider === 'cpu' ? spreadOnCpu(threads, precision) : { narrow: threads, wide: threads };
  }

  function batchOf(provider: Provider, { batch, extra }: Base): number {
    const wanted = request.batch || usualBatch[provider];
    if (wanted === 1 || extra === 'pooled') return 1;
    if (batch !== undefined) return wanted;
    if (request.batch) why.push('batches: the graph of the base takes one picture at a time');
    return 1;
  }

  /** The CPU provider is the reference: where it fails, the model is wrong, not the provider. */
  async function prove(setup: SessionSetup, session: OnnxSession): Promise<Proof> {
    const { base, provider } = setup;
    const { manifest } = base;
    const described = await warmUp(setup, session);
    const [{ features }] = described as [ImageFeatures];
    if (features.length !== manifest.features.size) {
      throw new QcError(
        'model-mismatch',
        `${base.file}: ${manifest.features.tensor} gives ${features.length} features, the manifest says ${manifest.features.size}`,
      );
    }
    const check = manifest.check ?? recordCheck(provider === 'cpu' ? features : await onCpu(setup));
    for (const one of described) {
      const reason = checkFailure(check, one.features, manifest.precision);
      if (reason === undefined) continue;
      if (provider !== 'cpu') return { check, failure: reason };
      throw new QcError('model-check-failed', `${base.file}: ${reason}`);
    }
    return { check, failure: undefined };
  }

  async function onCpu(setup: SessionSetup): Promise<Float32Array> {
    const alone = { ...setup, provider: 'cpu', batch: 1, profile: undefined } as const;
    const session = await openAsItIs(alone);
    try {
      const [described] = await warmUp(alone, session);
      return described!.features;
    } finally {
      await session.release();
    }
  }

  function refused(error: unknown, base: Base): QcError {
    if (error instanceof QcError) return error;
    return new QcError('model-damaged', `onnxruntime refuses ${base.file}: ${brief(error)}`, {
      remedy: 'export the model again as ONNX, or copy it again',
    });
  }
}

/**
 * On the CPU from a compiled graph where one can be had; without one nothing is shared, and all runs are wide. So they are where
 * they are profiled, one after the other in one session.
 * @param why told why there is no compiled graph
 */
async function open(
  { storageDirectory }: LocalRequest,
  setup: SessionSetup,
  wide: number,
  why: string[],
): Promise<OnnxSession> {
  const { provider, base, profile } = setup;
  const isPlain = provider === 'cpu' && base.extra !== 'pooled' && profile === undefined;
  if (isPlain && storageDirectory !== undefined) {
    try {
      return await openWider(await openFromCache(setup, cacheIn(storageDirectory)), setup, wide);
    } catch (error) {
      why.push(`a compiled graph: ${brief(error)}`);
    }
  }
  return openAsItIs({ ...setup, threads: wide });
}

/** The session for runs with maps. @param like the one without, which passed. @throws QcError as `openMappedBase`, model-… */
async function openMapped(
  request: LocalRequest,
  like: ProvedSetup,
  wide: number,
  check: Check,
): Promise<OnnxSession> {
  const base = await openMappedBase(request, like.base.manifest);
  const setup = { ...like, base, profile: undefined };
  const session = await open(request, setup, wide, []);
  return orRelease(session, async () => {
    for (const described of await warmUp(setup, session)) {
      const reason = checkFailure(check, described.features, base.manifest.precision);
      if (reason !== undefined) {
        throw new QcError('model-check-failed', `${base.file} with its maps on ${like.provider}: ${reason}`);
      }
      requireMaps(base, described);
    }
    return session;
  });
}

/** Releases the session if using it fails. */
async function orRelease<T>(session: OnnxSession, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** The pictures of the check, in all sizes of a batch: the first run of each takes longer. */
async function warmUp({ base, batch }: ProvedSetup, session: OnnxSession): Promise<ImageFeatures[]> {
  const { width, height } = base.manifest.input;
  const image = checkImage(width, height);
  const all = sizes(batch).reduce((sum, size) => sum + size);
  const images = Array.from({ length: all }, () => image);
  const described = await session.run(images);
  return session.isWider ? [...described, ...(await session.run(images, true))] : described;
}

/** What another worker needs to run the same; undefined where no compiled graph runs. */
function compiledOf(
  { graph }: OnnxSession,
  facts: SessionFacts,
  { model: _, ...base }: Base,
  check: Check,
): Compiled | undefined {
  return graph === undefined ? undefined : { graph, facts, check, base };
}

/**
 * What another worker of this session has proved, from its graph alone: the base is not read, hashed and parsed again.
 * Undefined where it does not give here what it gave there; the whole way then finds out why.
 */
async function openAgain(
  request: LocalRequest,
  compiled: Compiled,
  native: Native,
): Promise<OpenedHere | undefined> {
  const { base, check, facts, graph } = compiled;
  const { narrow: threads, wide } = spreadOnCpu(request.threads, base.manifest.precision);
  const setup = { provider: 'cpu' as const, base, threads, batch: facts.batch, native };
  const session = await openGraphFile(setup, graph)
    .then((narrow) => openWider(narrow, setup, wide))
    .catch(() => undefined);
  if (!session) return undefined;
  const described = await warmUp(setup, session).catch(() => undefined);
  const { features, precision } = base.manifest;
  const holds = (one: ImageFeatures) =>
    one.features.length === features.size && checkFailure(check, one.features, precision) === undefined;
  if (described?.every(holds)) {
    const runner = withMaps(session, () => openMapped(request, setup, wide, check));
    return { opened: { facts: { ...facts, why: [] }, compiled }, runner };
  }
  await session.release();
  return undefined;
}
