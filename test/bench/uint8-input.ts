/** Compares the base with one that takes pixels as input and normalises in the graph. */
import { readFile } from 'node:fs/promises';
import ort from 'onnxruntime-node';
import type { Base } from '../../models/base.ts';
import { floatTensor, node } from '../../models/onnx/build.ts';
import { changed, decodeModel, encodeModel, type OnnxModel } from '../../models/onnx/proto.ts';
import { pixelsTensor } from '../../models/onnx/quantize/pixels.ts';
import { makeVector } from '../../models/prepare/vector.ts';
import { formulaImage } from '../models/formula-image.ts';
import { cpuMs } from './cpu-ms.ts';
import { median } from './harness.ts';

interface Folded {
  readonly model: OnnxModel;
  readonly input: string;
  readonly channels: number;
}

export interface Compared {
  /** CPU time of normalisation and one inference, ms. */
  readonly float: number;
  /** CPU time of one inference on pixels, ms. */
  readonly uint8: number;
}

/** Alternating, on one thread each. */
export async function compareInputs(base: Base, seconds: number): Promise<Compared> {
  const { input } = base.manifest;
  const { width, height } = input;
  const model = decodeModel(await readFile(base.file));
  const folded = foldInput(model, base);
  const options = {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    freeDimensionOverrides: base.dimensions,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
  const [plain, small] = await Promise.all(
    [model, folded.model].map((one) => ort.InferenceSession.create(encodeModel(one), options)),
  );
  const { fill } = makeVector(input);
  const image = formulaImage(width, height);
  const floats = new Float32Array(3 * width * height);
  const pixels = new Uint8Array(folded.channels * width * height).fill(255);
  for (let n = 0; n < floats.length; n++) {
    pixels[n] = image.data[(n % (width * height)) * 3 + Math.floor(n / (width * height))]!;
  }
  const floatFeeds = { [input.name]: new ort.Tensor('float32', floats, [1, 3, height, width]) };
  const byteFeeds = { [folded.input]: new ort.Tensor('uint8', pixels, [1, folded.channels, height, width]) };
  const wanted = [base.output];
  fill(image, floats);
  const [a, b] = [await plain!.run(floatFeeds, wanted), await small!.run(byteFeeds, wanted)];
  if (furthest(a[base.output]!, b[base.output]!) > 1e-3)
    throw new Error('the folded graph gives a different result');

  const figures: { float: number[]; uint8: number[] } = { float: [], uint8: [] };
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    figures.float.push(
      await cpuMs(async () => {
        fill(image, floats);
        await plain!.run(floatFeeds, wanted);
      }),
    );
    figures.uint8.push(await cpuMs(() => small!.run(byteFeeds, wanted)));
  }
  await Promise.all([plain!.release(), small!.release()]);
  return { float: median(figures.float), uint8: median(figures.uint8) };
}

/** In 8 bits the first tensor has the levels of the pixels; in float the graph begins with a factor and an offset. */
function foldInput(model: OnnxModel, { manifest }: Base): Folded {
  const graph = model.graph!;
  const { scale, mean, std, width, height, name } = manifest.input;
  const levels = graph.node.find((one) => one.opType === 'QuantizeLinear' && one.input[0] === pixelsTensor)
    ?.output[0];
  const channels = levels ? 4 : 3;
  const input = levels ?? 'pixels/bytes';
  const before = graph.node.filter((one) => one.output[0] === levels || one.output[0] === pixelsTensor);
  const dim = [1, channels, height, width].map((dimValue) => ({ dimValue }));
  const [value, factor, product, offset] = ['value', 'factor', 'product', 'offset'].map(
    (part) => `bytes/${part}`,
  );
  const nodes = levels
    ? []
    : [
        node('Cast', [input], [value!], { to: 1 }),
        node('Mul', [value!, factor!], [product!]),
        node('Add', [product!, offset!], [name]),
      ];
  const row = (of: (c: number) => number) => Float32Array.from([0, 1, 2], of);
  return {
    channels,
    input,
    model: changed(model, {
      graph: changed(graph, {
        input: [{ ...graph.input[0]!, name: input, type: { tensorType: { elemType: 2, shape: { dim } } } }],
        node: [...nodes, ...graph.node.filter((one) => !before.includes(one))],
        initializer: [
          ...graph.initializer,
          floatTensor(
            factor!,
            [1, 3, 1, 1],
            row((c) => scale / std[c]!),
          ),
          floatTensor(
            offset!,
            [1, 3, 1, 1],
            row((c) => -mean[c]! / std[c]!),
          ),
        ],
      }),
    }),
  };
}

function furthest(a: ort.Tensor, b: ort.Tensor): number {
  const [one, other] = [a.data as Float32Array, b.data as Float32Array];
  return one.reduce((most, value, at) => Math.max(most, Math.abs(value - other[at]!)), 0);
}
