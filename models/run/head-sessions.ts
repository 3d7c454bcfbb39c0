/** Runs heads in onnxruntime on the features and maps of one image, with one thread each. */
import ort from 'onnxruntime-node';
import { QcError } from '../../config/errors.ts';
import { isMapName } from '../base.ts';
import { withoutNeedlessMaps } from '../onnx/without-maps.ts';
import type { HeadAnswer, LoadedHead, WhereMap } from './messages.ts';
import type { ImageFeatures, Native } from './runner.ts';

export interface Head {
  readonly session: ort.InferenceSession;
  readonly version: string;
  readonly labels: readonly string[];
  /** Whether it needs maps of stage 2 or 3. */
  readonly needsMaps: boolean;
}

/**
 * @param sparesMaps whether a head whose probabilities need no maps is run without the outputs that do
 * @throws QcError head-damaged
 */
export async function openHead(
  { model: whole, version, labels }: LoadedHead,
  native: Native,
  sparesMaps: boolean,
): Promise<Head> {
  try {
    const model = sparesMaps ? withoutNeedlessMaps(whole) : whole;
    const options = {
      executionProviders: ['cpu'],
      intraOpNumThreads: 1,
      logSeverityLevel: 4,
      // The next level changes the layout of maps for convolutions. A head has too few of them: it would take 50 % longer.
      graphOptimizationLevel: 'extended',
    } as const;
    const session = await native(() => ort.InferenceSession.create(model, options));
    return { session, version, labels, needsMaps: session.inputNames.some(isMapName) };
  } catch (error) {
    throw new QcError('head-damaged', `onnxruntime refuses the head: ${brief(error)}`);
  }
}

/** @throws QcError head-damaged if its output has another number of labels */
export async function classify(
  { session, version, labels }: Head,
  described: Pick<ImageFeatures, 'features' | 'maps'>,
  native: Native,
): Promise<HeadAnswer> {
  const feeds = Object.fromEntries(session.inputNames.map((name) => [name, inputOf(name, described)]));
  const outputs = await native(() => session.run(feeds));
  const values = outputs[session.outputNames[0]!]!.data as Float32Array;
  const [familiarity] = (outputs.familiarity?.data as Float32Array | undefined) ?? [];
  if (values.length !== labels.length) {
    throw new QcError('head-damaged', `the head gives ${values.length} values for ${labels.length} labels`);
  }
  const probabilities = Object.fromEntries(labels.map((label, i) => [label, values[i]!]));
  const where = outputs.where && mapOf(outputs.where);
  return {
    version,
    probabilities,
    ...(familiarity !== undefined && { familiarity }),
    ...(where && { where }),
  };
}

/** [1,H,W] → a copy, which can be sent to another thread. */
function mapOf({ data, dims: [, height = 0, width = 0] }: ort.OnnxValue): WhereMap {
  return { data: (data as Float32Array).slice(), height, width };
}

/** Views of the base's output; nothing is copied. */
function inputOf(
  name: string,
  { features, maps = {} }: Pick<ImageFeatures, 'features' | 'maps'>,
): ort.Tensor {
  if (!isMapName(name)) return new ort.Tensor('float32', features, [1, features.length]);
  const map = maps[name];
  if (!map) throw new QcError('maps-unavailable', `the base has no map ${name}, which the head needs`);
  return new ort.Tensor('float32', map.data, [1, map.channels, map.height, map.width]);
}

/** The first sentence of onnxruntime's message, without source locations. */
export function brief(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.split('\n')[0]!.replace(/^\S*onnxruntime_src\S*\s.*?(was false\.\s*|:\s)/, '');
  return line.length > 160 ? `${line.slice(0, 157)}…` : line;
}
