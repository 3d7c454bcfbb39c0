/** Opens a base on this machine with the first provider that passes the warm-up check. */
import { QcError } from '../../config/errors.ts';
import { type Base, mapShapes, openBase } from '../base.ts';
import { cacheIn } from '../disk/layout.ts';
import type { Check, Precision } from '../manifest.ts';
import { type Choice, fastestOf } from './fastest.ts';
import { brief } from './head-sessions.ts';
import { openMappedBase, requireMaps, withMaps } from './mapped.ts';
import { memoryNeed, requireMemory } from './memory.ts';
import type { Compiled, Opened, SessionFacts, WorkerRequest } from './messages.ts';
import {
  type OnnxSession,
  openFromCache,
  openGraphFile,
  openUncached,
  openWide,
  type ProvedSetup,
  type SessionSetup,
  sizes,
} from './onnx-session.ts';
import { limitationOf, type Provider, providers } from './providers.ts';
import type { ImageFeatures, Native, Runner } from './runner.ts';
import { planThreads, type ThreadPlan } from './threads.ts';
import { checkFailure, checkImage, recordCheck } from './warm-up-check.ts';

/**
 * Default number of images in one run: a GPU processes a few in the time of one; batching does not help on a CPU; TensorRT builds
 * an engine for every size at every start, because the binding supports neither its profiles nor its cache.
 */
const defaultBatch: Readonly<Record<Provider, number>> = { cpu: 1, tensorrt: 1, cuda: 8, webgpu: 8 };

export interface LocalRequest extends WorkerRequest {
  readonly provider: 'auto' | Provider;
}

interface Candidate extends Choice {
  readonly provider: Provider;
  /** If it fails, the next one is tried; the last one on the CPU is required. */
  readonly optional: boolean;
}

/** Candidates in order: on a GPU the base in fp16 or float, on the CPU the fastest variant that passed its gate. */
async function candidates(request: LocalRequest, base: Base): Promise<Candidate[]> {
  const because = request.precision === 'auto' ? 'a GPU runs it in float' : 'set by model.precision';
  const found: Candidate[] = [];
  for (const provider of request.provider === 'auto' ? providers : [request.provider]) {
    if (provider !== 'cpu') {
      const half = limitationOf(provider).absent ? undefined : await halfOf(request, base);
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

/** The fp16 variant of this base for a GPU, if there is one: the binding cannot enable fp16 itself. */
async function halfOf(request: LocalRequest, base: Base): Promise<Base | undefined> {
  if (request.precision !== 'auto' || request.provider === 'cpu') return undefined;
  const half = await openBase({ ...request, precision: 'fp16' }, extraOf(request)).catch(() => undefined);
  const isItsOwn = half?.manifest.precision === 'fp16' && half.manifest.variantOf === base.manifest.sha256;
  return isItsOwn ? half : undefined;
}

/** Result of the warm-up check. */
interface Proof {
  /** Expected features, from the manifest or computed on the CPU. */
  readonly check: Check;
  readonly failure: string | undefined;
}

export interface OpenedLocally {
  readonly opened: Opened;
  readonly runner: Runner;
}

/**
 * Opens the base on the first provider that passes the check.
 * @param opened the base, if the caller has opened it already
 * @throws QcError what `openBase` throws, model-damaged, model-check-failed, provider-unavailable
 */
export async function openLocally(
  request: LocalRequest,
  native: Native,
  opened?: Base,
): Promise<OpenedLocally> {
  const shared = request.compiled && (await openShared(request, request.compiled, native));
  if (shared) return shared;
  const float = opened ?? (await openBase(request, extraOf(request)));
  const need = memoryNeed(float, planThreads(request.threads, float.manifest.precision), request.batch || 1);
  requireMemory(float.manifest.name, need, request);
  const why: string[] = [];
  for (const { provider, base, because, optional } of await candidates(request, float)) {
    const { manifest } = base;
    const { precision } = manifest;
    const { absent, slow } = limitationOf(provider);
    let reason = absent ?? (request.provider === 'auto' ? slow : undefined);
    if (reason === undefined) {
      try {
        const batch = batchOf(provider, base);
        const { narrow, wide } = threadsOf(provider, precision);
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
          const facts = {
            manifest,
            precision,
            because,
            provider,
            batch,
            why,
            maps: mapShapes(base),
            needBytes: need.total,
          };
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

  function threadsOf(provider: Provider, precision: Precision): Pick<ThreadPlan, 'narrow' | 'wide'> {
    const { threads } = request;
    return provider === 'cpu' ? planThreads(threads, precision) : { narrow: threads, wide: threads };
  }

  function batchOf(provider: Provider, { batch, extra }: Base): number {
    const wanted = request.batch || defaultBatch[provider];
    if (wanted === 1 || extra === 'pooled') return 1;
    if (batch !== undefined) return wanted;
    if (request.batch) why.push('batches: the graph of the base takes one image at a time');
    return 1;
  }

  /** The CPU provider is the reference: if its check fails, the model is wrong instead of the provider. */
  async function prove(setup: SessionSetup, session: OnnxSession): Promise<Proof> {
    const { base, provider } = setup;
    const { manifest } = base;
    const described = await warmUp(setup, session);
    const [{ features }] = described as [ImageFeatures];
    if (features.length !== manifest.features.size) {
      throw new QcError(
        'model-mismatch',
        `${base.file}: ${manifest.features.tensor} has ${features.length} features, the manifest says ${manifest.features.size}`,
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
    const session = await openUncached(alone);
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
 * Opens the session; on the CPU from a compiled graph if possible. Without one, weights are not shared and all runs are wide. Runs
 * are also wide, and in one session, while they are profiled.
 * @param why receives the reason if there is no compiled graph
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
      return await openWide(await openFromCache(setup, cacheIn(storageDirectory)), setup, wide);
    } catch (error) {
      why.push(`a compiled graph: ${brief(error)}`);
    }
  }
  return openUncached({ ...setup, threads: wide });
}

/** Opens the session for runs with maps. @param like the setup of the session without maps. @throws QcError as `openMappedBase`, model-… */
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

/** Runs the check image in all batch sizes, because the first run of each takes longer. */
async function warmUp({ base, batch }: ProvedSetup, session: OnnxSession): Promise<ImageFeatures[]> {
  const { width, height } = base.manifest.input;
  const image = checkImage(width, height);
  const all = sizes(batch).reduce((sum, size) => sum + size);
  const images = Array.from({ length: all }, () => image);
  const described = await session.run(images);
  return session.isWider ? [...described, ...(await session.run(images, true))] : described;
}

/** What another worker needs to run the same graph; undefined without a compiled graph. */
function compiledOf(
  { graph }: OnnxSession,
  facts: SessionFacts,
  { model: _, weightBytes: _size, ...base }: Base,
  check: Check,
): Compiled | undefined {
  return graph === undefined ? undefined : { graph, facts, check, base };
}

/**
 * Opens the graph that another worker of this session has verified, without reading, hashing and parsing the base again.
 * Undefined if the check fails; the caller then opens the base normally, which reports the reason.
 */
async function openShared(
  request: LocalRequest,
  compiled: Compiled,
  native: Native,
): Promise<OpenedLocally | undefined> {
  const { base, check, facts, graph } = compiled;
  const { narrow: threads, wide } = planThreads(request.threads, base.manifest.precision);
  const setup = { provider: 'cpu' as const, base, threads, batch: facts.batch, native };
  const session = await openGraphFile(setup, graph)
    .then((narrow) => openWide(narrow, setup, wide))
    .catch(() => undefined);
  if (!session) return undefined;
  const described = await warmUp(setup, session).catch(() => undefined);
  const { features, precision } = base.manifest;
  const passes = (one: ImageFeatures) =>
    one.features.length === features.size && checkFailure(check, one.features, precision) === undefined;
  if (described?.every(passes)) {
    const runner = withMaps(session, () => openMapped(request, setup, wide, check));
    return { opened: { facts: { ...facts, why: [] }, compiled }, runner };
  }
  await session.release();
  return undefined;
}
