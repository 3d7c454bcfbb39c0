/** The last block of a base: found in its graph, computed up to its entry for each image, and written back after training. */
import { createHash } from 'node:crypto';
import { QcError } from '../../config/errors.ts';
import type { Base } from '../../models/base.ts';
import type { Image } from '../../models/image.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import { floatTensor, node, tensorDims } from '../../models/onnx/build.ts';
import { changed, encodeModel, type OnnxTensor } from '../../models/onnx/proto.ts';
import { type Tail, tailOf } from '../../models/onnx/tail.ts';
import { weightValues } from '../../models/onnx/tensors.ts';
import { makePrepare } from '../../models/prepare/prepare.ts';
import { readFloat, withOutputs } from '../../models/quantize/float.ts';
import { openGraph } from '../../models/run/session-graph.ts';
import { checkImage } from '../../models/run/warm-up-check.ts';

/** What the block reads for one image. */
export interface Entry {
  /** [C,H,W] */
  readonly map: Float32Array;
  /** Pooled maps of earlier stages, in the order of `tail.others`. */
  readonly others: readonly Float32Array[];
}

export interface Block extends AsyncDisposable {
  readonly tail: Tail;
  readonly weights: readonly OnnxTensor[];
  /** Start of the parameters. */
  readonly start: ReadonlyMap<string, Float32Array>;
  /** Of all tensors of the tail, for a batch of this many images. */
  shapes(batch: number): ReadonlyMap<string, readonly number[]>;
  entryOf(image: Image): Promise<Entry>;
  /** The base with other parameters. */
  withParameters(values: ReadonlyMap<string, Float32Array>): { model: Uint8Array; manifest: BaseManifest };
}

/** @throws QcError fine-tune-impossible that names the reason */
export async function openBlock(base: Base, threads: number): Promise<Block> {
  const { manifest } = base;
  const { input, features } = manifest;
  const float = await readFloat(base);
  const plain = float.plain.graph!;
  const pooled = `${features.tensor}/average`;
  const isMap = features.pool === 'average';
  const graph = isMap
    ? changed(plain, { node: [...plain.node, node('GlobalAveragePool', [features.tensor], [pooled])] })
    : plain;
  const tail = tailOf(graph, isMap ? pooled : features.tensor);
  if (typeof tail === 'string')
    throw new QcError('fine-tune-impossible', `the base ${manifest.name} cannot be fine-tuned: ${tail}`);
  const weights = graph.initializer;
  const computed = [tail.entry, ...tail.others, ...tail.nodes.flatMap(({ output }) => output)];
  const dims =
    input.layout === 'NCHW' ? [1, 3, input.height, input.width] : [1, input.height, input.width, 3];
  const session = await openGraph(withOutputs(changed(float.plain, { graph }), computed), {
    input: input.name,
    dims,
    dimensions: base.dimensions,
    threads,
  });
  const prepare = makePrepare(input);
  const ofOne = await session.shapes(prepare(checkImage(input.width, input.height)), computed);
  const read = [tail.entry, ...tail.others];
  const start = new Map(
    weights.flatMap((one) =>
      tail.parameters.includes(one.name ?? '') ? [[one.name!, weightValues(one)]] : [],
    ),
  );
  return {
    tail,
    weights,
    start,
    shapes: (batch) =>
      new Map<string, readonly number[]>([
        ...weights.map((one) => [one.name ?? '', tensorDims(one)] as const),
        ...Array.from(ofOne, ([name, [, ...rest]]) => [name, [batch, ...rest]] as const),
      ]),
    async entryOf(image) {
      const found = await session.run(prepare(image), read);
      return { map: found.get(tail.entry)!, others: tail.others.map((name) => found.get(name)!) };
    },
    withParameters(values) {
      const model = encodeModel(
        changed(float.plain, {
          graph: changed(plain, {
            initializer: plain.initializer.map((one) => {
              const value = values.get(one.name ?? '');
              return value ? floatTensor(one.name!, tensorDims(one), value) : one;
            }),
          }),
        }),
      );
      const sha256 = createHash('sha256').update(model).digest('hex');
      return {
        model,
        manifest: { ...manifest, sha256, precision: 'fp32', maps: [...float.maps], figures: {} },
      };
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}
