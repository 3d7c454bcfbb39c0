/** Which variant of a base `precision: auto` means: the fastest that passed its gate on this machine's pictures. */

import { QcError } from '../../config/errors.ts';
import { type Base, type BaseRequest, openBase } from '../base.ts';
import type { ExtraOutputs } from '../onnx/fit-manifest.ts';
import { percent } from '../percent.ts';

export interface Choice {
  readonly base: Base;
  /** Why this variant, in an operator's words. */
  readonly because: string;
}

/**
 * The int8 variant where there is one of this very base that passed its gate and is faster; else the base as it is. A variant that
 * is damaged gives way to it: what judges must not fail over what would only be faster. For the CPU; a GPU takes the float base.
 */
export async function fastestOf(request: BaseRequest, base: Base, extra?: ExtraOutputs): Promise<Choice> {
  if (request.precision !== 'auto') return { base, because: 'model.precision says so' };
  if (base.manifest.precision !== 'fp32') return { base, because: 'the base has no other form' };
  const stays = (why: string): Choice => ({ base, because: why });
  let variant: Base;
  try {
    variant = await openBase({ ...request, precision: 'int8' }, extra);
  } catch (error) {
    const isAbsent = error instanceof QcError && error.code === 'precision-unavailable';
    return stays(
      isAbsent
        ? `${error.message}: qc-agent models quantize makes one`
        : `its int8 variant cannot be used: ${(error as Error).message}`,
    );
  }
  const { quantization } = variant.manifest;
  if (!quantization) return stays('its int8 variant has passed no gate here: model.precision int8 uses it');
  if (quantization.speedup <= 1) {
    return stays(`its int8 variant is no faster on this machine (${quantization.speedup} times as fast)`);
  }
  const { correlation, heldOut, speedup } = quantization;
  const right = heldOut
    ? `, ${percent(heldOut.int8)} right where float is ${percent(heldOut.fp32)}`
    : ', accuracy not compared';
  const because = `passed its gate: ${speedup} times as fast, features correlate ${correlation.toFixed(3)}${right}`;
  return { base: variant, because };
}
