/** Time per part, alternating with the base in use, so that other load on the machine affects both. */
import type { ModelConfig } from '../../config/schema.ts';
import type { Image } from '../../models/image.ts';
import { median } from '../../models/median.ts';
import { openSession, type Session } from '../../models/run/session.ts';
import type { BaseFigures } from './comparison.ts';
import type { Contender } from './contenders.ts';

export interface SpeedOptions {
  readonly model: ModelConfig;
  readonly storageDirectory: string;
  readonly image: Image;
  readonly signal: AbortSignal | undefined;
}

const rounds = 9;
const warmUps = 2;

/**
 * At most two sessions are open at a time.
 * @throws QcError as `openSession` for a float variant; the reason of `signal`
 */
export async function speedOf(
  base: Contender,
  reference: Contender,
  { model, storageDirectory, image, signal }: SpeedOptions,
): Promise<BaseFigures['speed']> {
  const open = (of: Contender, precision: Contender['manifest']['precision']) =>
    openSession({ ...model, base: of.reference, precision, storageDirectory });
  await using against = await open(reference, reference.manifest.precision);
  const measure = async (session: Session) => {
    const [own = 0, other = 0] = await inTurn([session, against], image, signal);
    return { ms: Number(own.toFixed(2)), ratio: Number((own / other).toFixed(3)) };
  };
  const float = await measureFloat();
  const quantized = await open(base, 'int8').catch(() => undefined);
  try {
    return { float, int8: quantized ? await measure(quantized) : null };
  } finally {
    await quantized?.[Symbol.asyncDispose]();
  }

  async function measureFloat() {
    if (base === reference) return { ...(await measure(against)), ratio: 1 };
    await using session = await open(base, base.manifest.precision);
    return await measure(session);
  }
}

/** Median of each session, ms. */
async function inTurn(
  sessions: readonly Session[],
  image: Image,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const taken = sessions.map((): number[] => []);
  for (let round = -warmUps; round < rounds; round++) {
    for (const [i, session] of sessions.entries()) {
      signal?.throwIfAborted();
      const began = performance.now();
      await session.features(image);
      if (round >= 0) taken[i]!.push(performance.now() - began);
    }
  }
  return taken.map(median);
}
