/** Chooses the variant of a base for `precision: auto`: the fastest one that passed its gate on this site's images. */

import { QcError } from '../../config/errors.ts';
import { type Base, type BaseRequest, openBase } from '../base.ts';
import type { ExtraOutputs } from '../onnx/fit-manifest.ts';
import { percent } from '../percent.ts';

export interface Choice {
  readonly base: Base;
  /** Why this variant was chosen, for the operator. */
  readonly because: string;
}

/**
 * The int8 variant of this base if it passed its gate and is faster; otherwise the base itself. A damaged variant is not used,
 * because an optimisation must not stop the inspection. For the CPU; a GPU uses the float base.
 */
export async function fastestOf(request: BaseRequest, base: Base, extra?: ExtraOutputs): Promise<Choice> {
  if (request.precision !== 'auto') return { base, because: 'set by model.precision' };
  if (base.manifest.precision !== 'fp32') return { base, because: 'the base has no float variant' };
  const stays = (why: string): Choice => ({ base, because: why });
  let variant: Base;
  try {
    variant = await openBase({ ...request, precision: 'int8' }, extra);
  } catch (error) {
    const isAbsent = error instanceof QcError && error.code === 'precision-unavailable';
    return stays(
      isAbsent
        ? `${error.message}: qc-agent models quantize creates one`
        : `its int8 variant cannot be used: ${(error as Error).message}`,
    );
  }
  const { quantization } = variant.manifest;
  if (!quantization)
    return stays('its int8 variant was not checked here: set model.precision to int8 to use it');
  if (quantization.speedup <= 1) {
    return stays(`its int8 variant is not faster on this machine (${quantization.speedup} times as fast)`);
  }
  const { correlation, heldOut, speedup } = quantization;
  const right = heldOut
    ? `, ${percent(heldOut.int8)} correct (float: ${percent(heldOut.fp32)})`
    : ', accuracy not compared';
  const because = `int8 passed its check: ${speedup} times as fast, features correlate ${correlation.toFixed(3)}${right}`;
  return { base: variant, because };
}
