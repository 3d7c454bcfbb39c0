/**
 * Projected cells of labelled images, which several passes go through: 0.2 MB for an image of 224 × 224 pixels instead of 2.4 MB of
 * maps. What fits into memory is kept as float16; the rest is computed again in each pass, with one inference each.
 */
import { goodCells, type Projection, type Projections } from '../../models/good-memory.ts';
import { packHalf, unpackHalf } from '../../models/onnx/tensors.ts';
import type { FeatureMaps } from '../../models/run/runner.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { mixSeeds, type Random, seededRandom } from './random.ts';

type Frame = Pick<LabelledFrame, 'id' | 'file' | 'changed'>;

export interface GoodCells {
  /** Keeps the cells of a frame whose maps were just computed, if there is room. */
  keep(frame: Frame, maps: FeatureMaps): void;
  sourceOf(frames: readonly Frame[]): GoodCellSource;
}

export interface GoodCellSource {
  readonly count: number;
  /** Not scaled; both stages have the same number of values. */
  readonly projections: Projections;
  /** Of a frame, by its index, [H·W][2·P]. @throws as `mapsOf` */
  cells(index: number): Promise<Float32Array>;
}

export interface GoodCellOptions {
  /** Sizes of the maps that the base gives. */
  readonly sizes: Readonly<Record<'stage2' | 'stage3', Omit<Projection, 'matrix'>>>;
  readonly mapsOf: (frame: Frame) => Promise<FeatureMaps>;
  readonly seed: number;
  /** Values of each stage in a cell; default 64. */
  readonly projectedTo?: number;
  /** Default 256 MB: 1,300 images of 224 × 224 pixels. */
  readonly maxBytes?: number;
}

export function openGoodCells({
  sizes,
  mapsOf,
  seed,
  projectedTo = 64,
  maxBytes = 256e6,
}: GoodCellOptions): GoodCells {
  const random = seededRandom(mixSeeds(seed, 29));
  const projections = {
    stage2: randomProjection(sizes.stage2, projectedTo, random),
    stage3: randomProjection(sizes.stage3, projectedTo, random),
  };
  const kept = new Map<string, Uint16Array>();
  let bytes = 0;

  function project({ id }: Frame, maps: FeatureMaps): Uint16Array {
    const half = packHalf(goodCells(maps, projections));
    if (bytes + half.byteLength <= maxBytes) {
      kept.set(id, half);
      bytes += half.byteLength;
    }
    return half;
  }

  return {
    keep(frame, maps) {
      project(frame, maps);
    },
    sourceOf: (frames) => ({
      count: frames.length,
      projections,
      async cells(index) {
        const frame = frames[index]!;
        // Rounded to float16 even if they are not kept: a cell has the same values in each pass.
        return unpackHalf(kept.get(frame.id) ?? project(frame, await mapsOf(frame)));
      },
    }),
  };
}

/** Random directions keep distances (Johnson and Lindenstrauss 1984); cells vary by as much as before. */
function randomProjection(map: Omit<Projection, 'matrix'>, projectedTo: number, random: Random): Projection {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const matrix = Float32Array.from(
    { length: projectedTo * map.channels },
    () => normal() / Math.sqrt(projectedTo),
  );
  const { channels, height, width } = map;
  return { channels, height, width, matrix };
}
