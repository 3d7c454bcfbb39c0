/**
 * A float base → one in 8 bits, top to bottom: its graph in its plainest form, what occurs in it on the site's own pictures,
 * the ranges that serve best, operators back to float where the data say so, and what came of it.
 */

import { createHash } from 'node:crypto';
import { QcError } from '../../config/errors.ts';
import type { Base } from '../base.ts';
import type { Image } from '../image.ts';
import type { BaseManifest } from '../manifest.ts';
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
  makersOf,
  observe,
  probes,
  type Watch,
} from './attempts.ts';
import { checkOf, likenessOfMaps, lossOfLayers, measureSpeed, told } from './figures.ts';
import { type FloatBase, type Picture, readFloat } from './float.ts';
import type { HeldOut, Quantization, QuantizationReport } from './report.ts';

export interface QuantizeOptions extends Watch {
  /** `best`: all are tried, and the one whose features are most like the float ones is taken. */
  readonly method: 'best' | Method;
  /** Where the pictures come from, for the report. */
  readonly source: string;
  /** Of the dataset; null where none was used. */
  readonly revision: string | null;
  /** What features in 8 bits do to the head; undefined where nobody can tell. */
  readonly judge?: (features: (image: Image) => Promise<Float32Array>) => Promise<HeldOutCheck>;
}

export interface HeldOutCheck {
  readonly heldOut: HeldOut;
  /** Why it may not be used; undefined where it may. */
  readonly refusal: string | undefined;
}

export interface Quantized {
  readonly report: QuantizationReport;
  readonly model: Uint8Array;
  /** Of the variant; it says nothing about whether it passed. */
  readonly manifest: BaseManifest;
}

/** Features must correlate so much with the float ones, mean over the pictures that no range was chosen on. */
export const leastCorrelation = 0.99;
/** Single cells of a map carry the noise that the features average away. */
const leastMapCorrelation = 0.97;
const fewestPictures = 8;
/** Every so many pictures one is kept from choosing ranges, to compare on. */
const keptEvery = 4;
/** More operators in float would leave little to gain. */
const mostFloat = 0.25;
/** An operator in float must take away this share of the noise. */
const worthwhile = 0.02;

/** @throws QcError quantize-impossible, training-impossible; the reason of `signal` */
export async function quantizeBase(
  base: Base,
  pictures: readonly Picture[],
  options: QuantizeOptions,
): Promise<Quantized> {
  if (pictures.length < fewestPictures) {
    throw new QcError('quantize-impossible', `${pictures.length} pictures, ${fewestPictures} are the least`, {
      remedy: 'label parts, or collect them with qc-agent dataset import',
    });
  }
  const { manifest } = base;
  const float = await readFloat(base);
  const shown = pictures.filter((_, i) => i % keptEvery !== keptEvery - 1);
  const kept = pictures.filter((_, i) => i % keptEvery === keptEvery - 1);

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
    const most = mostFloat * whole.operators.size;
    for (const operator of order) {
      // A tensor is in float once neither its maker nor its reader wants levels.
      const alone = new Set([...best.float, operator]);
      const withMakers = new Set([...alone, ...makersOf(float, best.plan, operator)]);
      for (const inFloat of withMakers.size > alone.size ? [alone, withMakers] : [alone]) {
        if (inFloat.size > most || inFloat.size === best.float.size) continue;
        const next = await attempt(float, occurs, best.method, inFloat, kept, exact, options);
        if (next.noise > (1 - worthwhile) * best.noise) continue;
        best = next;
        judged = await judgement(float, best, options);
        break;
      }
      if (!refusalOf(best, judged)) break;
    }
  }

  const layers = await lossOfLayers(float, best, kept.slice(0, probes), options);
  const speedup = await measureSpeed(base, float, best.model, await kept[0]!(), options);
  const maps = await likenessOfMaps(float, base, best, kept, options);
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
      // Named after its content: a manifest never names the file of another.
      file: `${manifest.name}.int8-${sha256.slice(0, 8)}.onnx`,
      sha256,
      opset: toNumber(best.model.opsetImport.find(({ domain }) => (domain ?? '') === '')?.version ?? 0),
      precision: 'int8',
      variantOf: manifest.sha256,
      maps: float.maps.map((map) => ({ ...map, tensor: told(float, best.plan, map.tensor) })),
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

/** Only features that are alike are worth to be judged by. */
async function judgement(
  float: FloatBase,
  { model, correlation }: Attempt,
  { judge, threads }: QuantizeOptions,
): Promise<HeldOutCheck | undefined> {
  if (!judge || correlation < leastCorrelation) return undefined;
  await using graph = await float.open(model, threads);
  return await judge((image) => graph.features(image));
}

function refusalOf({ correlation }: Attempt, judged: HeldOutCheck | undefined): string | undefined {
  if (correlation < leastCorrelation) {
    return `its features correlate ${correlation.toFixed(4)} with the float ones, ${leastCorrelation} is the least`;
  }
  return judged?.refusal;
}

function refusalOfMaps(maps: Quantization['maps']): string | undefined {
  const [name, least] = Object.entries(maps ?? {}).find(([, value]) => value < leastMapCorrelation) ?? [];
  if (name === undefined || least === undefined) return undefined;
  return `its map ${name} correlates ${least.toFixed(4)} with the float one, ${leastMapCorrelation} is the least`;
}

function passedBecause({ correlation, speedup, heldOut }: Quantization): string {
  const alike = `features correlate ${correlation.toFixed(4)} with the float ones, ${speedup} times as fast`;
  if (!heldOut) return `${alike}; too little is labelled to hold accuracies against each other`;
  return `${alike}, ${percent(heldOut.int8)} right on parts not seen (float: ${percent(heldOut.fp32)})`;
}
