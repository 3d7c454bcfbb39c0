/** CPU time per part of a head that looks at places, compared with one that does not, on the same base. */
import { seededRandom } from '../../calibration/train/random.ts';
import { openBase } from '../../models/base.ts';
import { type CellBlock, type MapSize, spotAt } from '../../models/cells.ts';
import type { WhitenedDistance } from '../../models/familiarity.ts';
import type { GoodMemory } from '../../models/good-memory.ts';
import { encodeHead } from '../../models/head.ts';
import type { Image } from '../../models/image.ts';
import { quantizeBase } from '../../models/quantize/quantize.ts';
import { keepQuantized } from '../../models/quantize/variants.ts';
import { openSession, type Session } from '../../models/run/session.ts';
import { cpuMs } from './cpu-ms.ts';
import { median } from './harness.ts';

const base = 'resnet50-embedded';
const rounds = 21;
/** Minimum CPU time of a measurement, ms: several parts. */
const roundMs = 150;

/**
 * One line for each precision and kind of head, with its CPU time, on which other programs have little effect. @param
 * folder receives the base in 8 bits
 */
export async function costOfPlaces(folder: string): Promise<string[]> {
  const images = Array.from({ length: 8 }, (_, seed) => noise(seed));
  const made = await quantizeBase(
    await openBase({ base, precision: 'fp32' }),
    images.map((image) => async () => image),
    { method: 'minmax', threads: 0, source: 'noise', revision: null, onProgress: () => undefined },
  );
  await keepQuantized(folder, made);
  const lines: string[] = [];
  for (const precision of ['fp32', 'int8'] as const) {
    await using session = await openSession({
      base,
      provider: 'cpu',
      precision,
      threads: 1,
      storageDirectory: folder,
    });
    const [features, ...others] = await sideBySide(session, images[0]!);
    lines.push(`${precision}: whole image alone ${features!.ms.toFixed(2)} ms`);
    for (const { name, ms } of others) {
      lines.push(`${precision}: ${name} ${ms.toFixed(2)} ms, ${(ms / features!.ms).toFixed(3)} times`);
    }
  }
  return lines;
}

/** Median CPU time per part over alternating rounds, ms. */
async function sideBySide(session: Session, image: Image): Promise<{ name: string; ms: number }[]> {
  const size = session.facts.manifest.features.size;
  const [stage2, stage3] = [session.facts.maps[0]!, session.facts.maps[1]!];
  const channels = stage2.channels + stage3.channels;
  const evidence = (): CellBlock['look'] => ({
    by: 'evidence',
    weights: randomValues(1, channels),
    bias: 0,
    sharpness: 3,
  });
  const ways = [
    { name: 'whole image alone', look: undefined, window: 0 },
    { name: 'places in windows of 3', look: evidence(), window: 3 },
    { name: 'places in windows of 5', look: evidence(), window: 5 },
    { name: 'one place', look: spotAt(stage3, { x: 0.5, y: 0.5 }), window: 7 },
    { name: 'whole image, says where', look: undefined, window: 3, where: true },
    {
      name: 'whole image, says where, memory of good parts',
      look: undefined,
      window: 3,
      where: true,
      memory: true,
    },
    {
      name: 'places in windows of 3, says where, memory of good parts',
      look: evidence(),
      window: 3,
      where: true,
      memory: true,
    },
  ];
  const maps = { stage2, stage3 };
  const rank = 20;
  const exemplars = Array.from({ length: 40 }, (_, i) => randomValues(10 + i, size));
  const distance: WhitenedDistance = {
    centre: randomValues(60, size),
    weight: randomValues(61, size),
    axes: randomValues(62, rank * exemplars.length),
    means: [randomValues(63, rank), randomValues(64, rank)],
    parts: exemplars.map((_, i) => randomValues(70 + i, rank)),
    nearest: true,
    limit: 1,
  };
  for (const { name, look, window, where = false, memory = false } of ways) {
    const inner = size + (look ? channels : 0);
    const model = encodeHead({
      transform: 'hellinger',
      labels: ['good', 'bad'],
      weights: randomValues(2, 2 * inner),
      bias: randomValues(3, 2),
      temperature: 1,
      ...(look && { cells: { maps, window, look, mean: randomValues(4, channels) } }),
      ...(where && { where: { maps, window, weights: randomValues(5, channels), bias: 0 } }),
      exemplars,
      ...(memory && { distance, goodParts: { memory: randomMemory(stage2, stage3), good: [true, false] } }),
    });
    await session.keepHead({ version: name, labels: ['good', 'bad'], model });
  }
  const taken = new Map(ways.map(({ name }) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    for (const { name } of ways) {
      const ms = await cpuMs(() => session.judge(image, { head: name }), roundMs);
      if (round >= 0) taken.get(name)!.push(ms);
    }
  }
  return ways.map(({ name }) => ({ name, ms: median(taken.get(name)!) }));
}

/** A memory of the maximum size that training makes, with random values. */
function randomMemory(stage2: MapSize, stage3: MapSize): GoodMemory {
  const projected = 32;
  const places = stage2.height * stage2.width;
  const projection = (seed: number, map: MapSize) => ({
    ...map,
    matrix: randomValues(seed, projected * map.channels),
  });
  return {
    stage2: projection(6, stage2),
    stage3: projection(7, stage3),
    cells: Array.from({ length: 250 }, (_, i) => randomValues(100 + i, 2 * projected)),
    usual: new Float32Array(places).fill(1),
    spread: new Float32Array(places).fill(1),
    largest: 16,
    mean: { mean: 0, deviation: 1 },
    top: { mean: 0, deviation: 1 },
    limit: 3,
  };
}

function randomValues(seed: number, length: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length }, () => random.between(-1, 1));
}

function noise(seed: number): Image {
  const random = seededRandom(seed);
  const data = Uint8Array.from({ length: 224 * 224 * 3 }, () => random.integer(256));
  return { width: 224, height: 224, data };
}
