/** Whether heads point at defects: the highest box of a detected defect against its mask. */
import { readFile } from 'node:fs/promises';
import { type HeadWeights, whereOf } from '../../models/head.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import type { FeatureMaps } from '../../models/run/runner.ts';
import { boxesIn } from '../../models/where.ts';

export interface Pointing {
  readonly head: HeadWeights;
  /** Undefined for a head that locates no defects. */
  readonly minPeak: number | undefined;
  detected: number;
  boxed: number;
  hits: number;
  /** Sum of the areas of the highest boxes, shares of the image. */
  area: number;
}

export function createPointing(head: HeadWeights, minPeak: number | undefined): Pointing {
  return { head, minPeak, detected: 0, boxed: 0, hits: 0, area: 0 };
}

/** Counts one detected defect. @param file its mask: defect pixels are not black */
export async function point(into: Pointing, maps: FeatureMaps, file: string): Promise<void> {
  into.detected++;
  const { stage3 } = maps;
  const data = whereOf(into.head, maps);
  const [box] =
    data && stage3 && into.minPeak !== undefined
      ? boxesIn({ data, height: stage3.height, width: stage3.width }, into.minPeak)
      : [];
  if (!box) return;
  into.boxed++;
  into.area += box.width * box.height;
  const mask = await decodePicture(await readFile(file));
  const [left, right] = [box.x, box.x + box.width].map((x) => Math.round(x * mask.width)) as [number, number];
  const [top, bottom] = [box.y, box.y + box.height].map((y) => Math.round(y * mask.height)) as [
    number,
    number,
  ];
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      if (mask.data[3 * (y * mask.width + x)]! === 0) continue;
      into.hits++;
      return;
    }
  }
}

/** "32 of 40 (80 %), boxes on 38, 2.1 % of the image each"; undefined if no defect with a mask was detected. */
export function pointingText({ detected, boxed, hits, area }: Pointing): string | undefined {
  if (detected === 0) return undefined;
  const each = boxed > 0 ? `, ${((100 * area) / boxed).toFixed(1)} % of the image each` : '';
  return `${hits} of ${detected} (${Math.round((100 * hits) / detected)} %), boxes on ${boxed}${each}`;
}
