/**
 * Quantizes a float base to int8: simplifies the graph, records activations on the site's own images, chooses ranges, moves
 * sensitive operators back to float, and measures the result.
 */

import { createHash } from 'node:crypto';
import { QcError } from '../../config/errors.ts';
import type { Base } from '../base.ts';
import type { Image } from '../image.ts';
import type { BaseManifest } from '../manifest.ts';
import { patchOf } from '../onnx/patches.ts';
import { encodeModel, toNumber } from '../onnx/proto.ts';
import { planOf } from '../onnx/quantize/plan.ts';
import type { Method } from '../onnx/quantize/ranges.ts';
import { percent } from '../percent.ts';
import {
  type Attempt,
  attempt,
  attemptsOf,
  bySensitivity,
  exactFeatures,
  observe,
  probeCount,
  producersOf,
  type RunOptions,
} from './attempts.ts';
import { checkOf, correlationOfMaps, lossOfLayers, measureSpeed, quantizedName } from './figures.ts';
import { type FloatBase, type ImageReader, readFloat } from './float.ts';
import type { HeldOut, Quantization, QuantizationReport } from './report.ts';

export interface QuantizeOptions extends RunOptions {
  /** `best`: tries all methods and uses the one with the least noise. */
  readonly method: 'best' | Method;
  /** Origin of the images, for the report. */
  readonly source: string;
  /** Revision of the dataset; null if none was used. */
  readonly revision: string | null;
  /** Evaluates a head on int8 features; undefined without enough labelled frames. */
  readonly judge?: (features: (image: Image) => Promise<Float32Array>) => Promise<HeldOutCheck>;
}

export interface HeldOutCheck {
  readonly heldOut: HeldOut;
  /** Why it may not be used; undefined if it may. */
  readonly refusal: string | undefined;
}

export interface Quantized {
  readonly report: QuantizationReport;
  readonly model: Uint8Array;
  /** Manifest of the variant, whether it passed or not. */
  readonly manifest: BaseManifest;
}

/** Minimum correlation of features with the float ones, mean over held-out images. */
export const minCorrelation = 0.99;
/** Lower than for features, because averaging over a map reduces noise. */
const minMapCorrelation = 0.97;
const minImages = 8;
/** Every fourth image is held out for comparison. */
const heldOutEvery = 4;
/** Maximum share of operators in float: with more, the gain is small. */
const maxFloatShare = 0.25;
/** An operator is moved to float only if this reduces the noise by at least this share. */
const minReduction = 0.02;

/** @throws QcError quantize-impossible, training-impossible; the reason of `signal` */
export async function quantizeBase(
  base: Base,
  images: readonly ImageReader[],
  options: QuantizeOptions,
): Promise<Quantized> {
  if (images.length < minImages) {
    throw new QcError(
      'quantize-impossible',
      `there are ${images.length} images, at least ${minImages} are needed`,
      {
        remedy: 'label parts, or collect them with qc-agent dataset import',
      },
    );
  }
  const { manifest } = base;
  const float = await readFloat(base);
  if (patchOf(float.plain.graph!, manifest.input.name) !== undefined) {
    throw new QcError(
      'quantize-impossible',
      `${manifest.name} is a vision transformer: only convolutions are computed in int8, and it has no others than that of its patches`,
    );
  }
  const shown = images.filter((_, i) => i % heldOutEvery !== heldOutEvery - 1);
  const kept = images.filter((_, i) => i % heldOutEvery === heldOutEvery - 1);

  const whole = planOf(float.model.graph!);
  if (whole.operators.size === 0) {
    throw new QcError('quantize-impossible', `${base.file} has no convolution with constant weights`);
  }
  const occurs = await observe(float, whole, shown, options);
  const exact = await exactFeatures(float, kept, options);
  const attempts = await attemptsOf(float, occurs, kept, exact, options);
  let best = attempts.reduce((a, b) => (b.noise < a.noise ? b : a));
  let judged = await judgement(float, best, options);

  if (refusalOf(best, judged)) {
    const order = await bySensitivity(float, best, kept, exact, options);
    const max = maxFloatShare * whole.operators.size;
    for (const operator of order) {
      // A tensor stays in float only if neither its producer nor its reader is quantized.
      const alone = new Set([...best.float, operator]);
      const withProducers = new Set([...alone, ...producersOf(float, best.plan, operator)]);
      for (const inFloat of withProducers.size > alone.size ? [alone, withProducers] : [alone]) {
        if (inFloat.size > max || inFloat.size === best.float.size) continue;
        const next = await attempt(float, occurs, best.method, inFloat, kept, exact, options);
        if (next.noise > (1 - minReduction) * best.noise) continue;
        best = next;
        judged = await judgement(float, best, options);
        break;
      }
      if (!refusalOf(best, judged)) break;
    }
  }

  const layers = await lossOfLayers(float, best, kept.slice(0, probeCount), options);
  const speedup = await measureSpeed(base, float, best.model, await kept[0]!(), options);
  const maps = await correlationOfMaps(float, base, best, kept, options);
  const refusal = refusalOf(best, judged) ?? refusalOfMaps(maps);
  const quantization: Quantization = {
    method: best.method,
    frames: shown.length,
    source: options.source,
    correlation: best.correlation,
    leastCorrelation: best.leastCorrelation,
    maps,
    speedup,
    threads: options.threads,
    float: [...best.float],
    operators: best.plan.operators.size,
    heldOut: judged?.heldOut ?? null,
    madeAt: new Date().toISOString(),
  };
  const model = encodeModel(best.model);
  const sha256 = createHash('sha256').update(model).digest('hex');
  return {
    model,
    manifest: {
      ...manifest,
      // The name contains the hash, so a manifest never refers to another version of the file.
      file: `${manifest.name}.int8-${sha256.slice(0, 8)}.onnx`,
      sha256,
      opset: toNumber(best.model.opsetImport.find(({ domain }) => (domain ?? '') === '')?.version ?? 0),
      precision: 'int8',
      variantOf: manifest.sha256,
      maps: float.maps.map((map) => ({ ...map, tensor: quantizedName(float, best.plan, map.tensor) })),
      check: await checkOf(float, model, manifest, options),
      figures: {},
      quantization,
    },
    report: {
      schema: 1,
      base: { name: manifest.name, sha256: manifest.sha256 },
      revision: options.revision,
      passed: refusal === undefined,
      reason: refusal ?? passedBecause(quantization),
      quantization,
      methods: Object.fromEntries(attempts.map((one) => [one.method, one.correlation])),
      layers,
    },
  };
}

/** Evaluates the head, unless the features already differ too much. */
async function judgement(
  float: FloatBase,
  { model, correlation }: Attempt,
  { judge, threads }: QuantizeOptions,
): Promise<HeldOutCheck | undefined> {
  if (!judge || correlation < minCorrelation) return undefined;
  await using graph = await float.open(model, threads);
  return await judge((image) => graph.features(image));
}

function refusalOf({ correlation }: Attempt, judged: HeldOutCheck | undefined): string | undefined {
  if (correlation < minCorrelation) {
    return `its features correlate ${correlation.toFixed(4)} with the float ones, at least ${minCorrelation} is needed`;
  }
  return judged?.refusal;
}

function refusalOfMaps(maps: Quantization['maps']): string | undefined {
  const [name, least] = Object.entries(maps ?? {}).find(([, value]) => value < minMapCorrelation) ?? [];
  if (name === undefined || least === undefined) return undefined;
  return `its map ${name} correlates ${least.toFixed(4)} with the float one, at least ${minMapCorrelation} is needed`;
}

function passedBecause({ correlation, speedup, heldOut }: Quantization): string {
  const alike = `features correlate ${correlation.toFixed(4)} with the float ones, ${speedup} times as fast`;
  if (!heldOut) return `${alike}; there are too few labelled frames to compare accuracies`;
  return `${alike}, ${percent(heldOut.int8)} correct on held-out parts (float: ${percent(heldOut.fp32)})`;
}
