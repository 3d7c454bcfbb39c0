/** Measures the model alone: time per image, and images per second without other load. */
import { setImmediate } from 'node:timers/promises';
import { QcError } from '../../config/errors.ts';
import type { ModelConfig } from '../../config/schema.ts';
import type { Image } from '../../models/image.ts';
import type { BaseInput } from '../../models/manifest.ts';
import { makePrepare } from '../../models/prepare/prepare.ts';
import { openSession } from '../../models/run/session.ts';
import { percentile } from './figures.ts';

export interface InferenceFigures {
  readonly base: string;
  readonly precision: string;
  readonly provider: string;
  /** Median time of sequential images, ms. */
  readonly oneMs: number;
  /** Images per second while others are always waiting. */
  readonly perSecond: number;
  readonly input: BaseInput;
}

/** Number of waiting images at full speed: more than there are threads. */
const inFlight = 4;
const warmUps = 5;

/**
 * Runs images of the base's own size through the agent's own session, so that preparation costs next to nothing.
 * @returns the reason, if this precision is not available
 */
export async function measureInference(
  model: ModelConfig,
  storage: string,
  precision: ModelConfig['precision'],
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal },
): Promise<InferenceFigures | string> {
  const request = { ...model, precision, storageDirectory: storage };
  const opened = await openSession(request).catch((error: unknown) => {
    if (error instanceof QcError && error.code === 'precision-unavailable') return error.message;
    throw error;
  });
  if (typeof opened === 'string') return opened;
  await using session = opened;
  const { manifest, provider } = session.facts;
  const image = gradient(manifest.input.width, manifest.input.height);
  for (let run = 0; run < warmUps; run++) await session.features(image);

  const took: number[] = [];
  await during((seconds * 1000) / 2, signal, async () => {
    const before = performance.now();
    await session.features(image);
    took.push(performance.now() - before);
  });
  let runs = 0;
  const startedAt = performance.now();
  const lane = () =>
    during((seconds * 1000) / 2, signal, async () => {
      await session.features(image);
      runs++;
    });
  await Promise.all(Array.from({ length: inFlight }, lane));
  return {
    base: manifest.name,
    precision: session.facts.precision,
    provider,
    oneMs: percentile(took, 0.5),
    perSecond: (runs * 1000) / (performance.now() - startedAt),
    input: manifest.input,
  };
}

export interface PreparationFigures {
  /** Size of the image that is scaled and normalised, pixels. */
  readonly width: number;
  readonly height: number;
  /** Median, ms. */
  readonly ms: number;
}

/** Measures scaling and normalising one image to the input of the base, in this thread. */
export async function measurePreparation(
  input: BaseInput,
  { width, height }: { readonly width: number; readonly height: number },
  signal: AbortSignal,
): Promise<PreparationFigures> {
  const prepare = makePrepare(input);
  const image = gradient(width, height);
  const took: number[] = [];
  await during(1_000, signal, async () => {
    const before = performance.now();
    prepare(image);
    took.push(performance.now() - before);
    await setImmediate();
  });
  return { width, height, ms: percentile(took, 0.5) };
}

async function during(ms: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  const until = performance.now() + ms;
  do {
    signal.throwIfAborted();
    await work();
  } while (performance.now() < until);
}

function gradient(width: number, height: number): Image {
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, at) => (at * 7) % 251) };
}
