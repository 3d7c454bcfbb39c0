/**
 * A base at another input size is named `NAME@WIDTHxHEIGHT`, such as `resnet50-embedded@448x176`. It is a base of its own: its features
 * differ, so a head is bound to the size as it is to the weights, and base, size and head are switched together. Only graphs with a free
 * height and width can be opened at another size.
 */
import { createHash } from 'node:crypto';
import { QcError } from '../config/errors.ts';
import type { BaseManifest } from './manifest.ts';

export interface InputSize {
  readonly width: number;
  readonly height: number;
}

/** Sizes are multiples of the pixels per cell of stage 3, so that a cell shows the same place at each size. */
const step = 16;
const [minSide, maxSide] = [64, 2048];

/** The name or path of the base without its size. @throws QcError base-size for a size that no base can have */
export function splitSize(base: string): { readonly plain: string; readonly size: InputSize | undefined } {
  const [, plain, width, height] = /^(.+)@(\d+)x(\d+)$/.exec(base) ?? [];
  if (plain === undefined) return { plain: base, size: undefined };
  const size = { width: Number(width), height: Number(height) };
  const isSide = (side: number) => side % step === 0 && side >= minSide && side <= maxSide;
  if (isSide(size.width) && isSide(size.height)) return { plain, size };
  throw new QcError(
    'base-size',
    `${base}: width and height must be multiples of ${step} from ${minSide} to ${maxSide}`,
  );
}

/** The name of a base at another size. */
export const sizedName = (plain: string, { width, height }: InputSize) => `${plain}@${width}x${height}`;

/** The nearest size that a base can have. */
export function nearestSize({ width, height }: InputSize): InputSize {
  const side = (wanted: number) => Math.min(maxSide, Math.max(minSide, step * Math.round(wanted / step)));
  return { width: side(width), height: side(height) };
}

/** The manifest of a base at another size. Its check values do not apply; its hash identifies weights and size. */
export function withSize(manifest: BaseManifest, size: InputSize | undefined): BaseManifest {
  const { input, variantOf, check: _, ...rest } = manifest;
  if (!size || (size.width === input.width && size.height === input.height)) return manifest;
  const own = (sha256: string) => createHash('sha256').update(sizedName(sha256, size)).digest('hex');
  return {
    ...rest,
    name: sizedName(manifest.name, size),
    sha256: own(manifest.sha256),
    ...(variantOf !== undefined && { variantOf: own(variantOf) }),
    input: { ...input, ...size },
  };
}
