/**
 * A small residual network like an export of torchvision: batch normalisation, Identity for shared weights, Constant, a
 * classifier.
 */
import { seededRandom } from '../../calibration/train/random.ts';
import { buildModel, floatTensor, node, valueInfo } from '../../models/onnx/build.ts';
import { changed, type OnnxModel, type OnnxNode, type OnnxTensor } from '../../models/onnx/proto.ts';

export const side = 32;
export const channels = 16;

export interface ResnetOptions {
  /** Version of the operator set. */
  readonly opset?: number;
  /** Factor of one channel of the second block; the next weights are divided by it. */
  readonly outlier?: number;
}

/**
 * input [N,3,32,32] → conv 7×7, BN, ReLU → max pool → block (conv, BN, ReLU, conv, BN, added to a 1×1 conv and BN, ReLU) →
 * block with BN and ReLU before its convolutions (as in ResNet v2) → average → `features` [N,16] → `logits` [N,10].
 */
export function tinyResnet({ opset = 12, outlier = 1 }: ResnetOptions = {}): OnnxModel {
  const { next } = seededRandom(7);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const initializer: OnnxTensor[] = [];
  const nodes: OnnxNode[] = [];
  const weight = (name: string, dims: number[], value: (index: number) => number) => {
    const size = dims.reduce((a, b) => a * b);
    initializer.push(
      floatTensor(
        name,
        dims,
        Float32Array.from({ length: size }, (_, i) => value(i)),
      ),
    );
    return name;
  };
  function conv(name: string, from: string, inputs: number, kernel: number, stride = 1, scaled = false) {
    const places = kernel * kernel;
    const spread = Math.sqrt(2 / (inputs * places));
    weight(`${name}.weight`, [channels, inputs, kernel, kernel], (i) => {
      const isOutlier = scaled && Math.floor(i / places) % inputs === 0;
      return (normal() * spread) / (isOutlier ? outlier : 1);
    });
    const pad = (kernel - 1) / 2;
    nodes.push(
      node('Conv', [from, `${name}.weight`], [`${name}.out`], {
        kernel_shape: [kernel, kernel],
        strides: [stride, stride],
        pads: [pad, pad, pad, pad],
      }),
    );
    return `${name}.out`;
  }
  function normalise(name: string, from: string, scaled = false) {
    const inputs = [
      weight(`${name}.gamma`, [channels], (c) => (1 + 0.3 * normal()) * (scaled && c === 0 ? outlier : 1)),
      weight(`${name}.beta`, [channels], () => 0.2 * normal()),
      weight(`${name}.mean`, [channels], () => 0.1 * normal()),
      weight(`${name}.var`, [channels], () => 0.5 + next()),
    ];
    nodes.push(node('BatchNormalization', [from, ...inputs], [`${name}.out`], { epsilon: { float: 1e-5 } }));
    return `${name}.out`;
  }
  const relu = (from: string) => {
    nodes.push(node('Relu', [from], [`${from}.relu`]));
    return `${from}.relu`;
  };
  const add = (name: string, a: string, b: string) => {
    nodes.push(node('Add', [a, b], [name]));
    return name;
  };

  const stem = relu(normalise('bn1', conv('conv1', 'input', 3, 7, 2)));
  nodes.push(
    node('MaxPool', [stem], ['pool'], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  );
  const inner = relu(normalise('b1.bn1', conv('b1.conv1', 'pool', channels, 3)));
  const main = normalise('b1.bn2', conv('b1.conv2', inner, channels, 3));
  const first = relu(add('b1.sum', main, normalise('b1.down', conv('b1.short', 'pool', channels, 1))));
  nodes.push(node('Dropout', [first], ['dropped']));
  const before = relu(normalise('b2.bn', 'dropped', true));
  const second = add('b2.sum', conv('b2.conv', before, channels, 3, 1, true), 'dropped');
  nodes.push(
    node('GlobalAveragePool', [second], ['average']),
    node('Flatten', ['average'], ['features'], { axis: 1 }),
    node('Identity', ['shared'], ['classes']),
    node('Gemm', ['features', 'classes'], ['logits'], { transB: 1 }),
  );
  weight('shared', [10, channels], normal);
  const model = buildModel({
    name: 'tiny-resnet',
    node: nodes,
    initializer,
    input: [valueInfo('input', ['N', 3, side, side])],
    output: [valueInfo('logits', ['N', 10])],
  });
  return changed(model, { opsetImport: [{ domain: '', version: opset }] });
}
