/**
 * A small vision transformer with random weights like an export of DINOv2 by Optimum: the batch size is read from the input
 * with Shape, the class token is expanded to it, attention is written with MatMul and Softmax, GELU with Erf, and each
 * branch is scaled (LayerScale). Output `last_hidden_state` [N,T,C], or `logits` of a classifier on the class token.
 */
import { seededRandom } from '../../calibration/train/random.ts';
import { buildModel, floatTensor, node, shapeTensor, valueInfo } from '../../models/onnx/build.ts';
import { changed, type OnnxModel, type OnnxNode, type OnnxTensor } from '../../models/onnx/proto.ts';

export interface VitOptions {
  readonly patch?: number;
  readonly side?: number;
  readonly channels?: number;
  readonly layers?: number;
  /** Tokens between the class token and the patches. */
  readonly registers?: number;
  readonly classes?: number;
  /** Whether the image may have any size; the position embeddings fit only `side`. */
  readonly free?: boolean;
}

const heads = 2;

export function tinyVit({
  patch = 14,
  side = 56,
  channels = 16,
  layers = 4,
  registers = 0,
  classes = 0,
  free = true,
}: VitOptions = {}): OnnxModel {
  const random = seededRandom(11);
  const nodes: OnnxNode[] = [];
  const weights: OnnxTensor[] = [];
  const add = (operator: string, input: readonly string[], output: string, attributes = {}) => {
    nodes.push(node(operator, input, [output], attributes));
    return output;
  };
  const weight = (name: string, dims: readonly number[], spread: number, middle = 0) => {
    const size = dims.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: size }, () => middle + (random.next() - 0.5) * spread);
    weights.push(floatTensor(name, dims, values));
    return name;
  };
  const integers = (name: string, values: readonly number[]) => {
    weights.push(shapeTensor(name, values));
    return name;
  };
  const linear = (from: string, name: string, inputs: number, outputs: number) =>
    add(
      'Add',
      [
        weight(`${name}.bias`, [outputs], 0.4),
        add(
          'MatMul',
          [from, weight(`${name}.weight`, [inputs, outputs], 2 / Math.sqrt(inputs))],
          `${name}/MatMul`,
        ),
      ],
      `${name}/Add`,
    );
  const normalised = (from: string, name: string, output = `${name}/Norm`) =>
    add(
      'LayerNormalization',
      [from, weight(`${name}.weight`, [channels], 0.5, 1), weight(`${name}.bias`, [channels], 0.4)],
      output,
      { axis: -1, epsilon: { float: 1e-6 } },
    );
  const scaledSum = (from: string, branch: string, name: string) =>
    add(
      'Add',
      [add('Mul', [branch, weight(`${name}.lambda`, [channels], 0.5, 0.5)], `${name}/scaled`), from],
      `${name}/sum`,
    );

  const cells = Math.floor(side / patch) ** 2;
  const tokens = 1 + registers + cells;
  weight('patch.weight', [channels, 3, patch, patch], 2 / patch);
  add('Conv', ['pixel_values', 'patch.weight'], 'patch', {
    kernel_shape: [patch, patch],
    strides: [patch, patch],
  });
  // [N,C,h,w] → [N,h·w,C], with the shape read from the tensor as tracing writes it.
  add('Shape', ['patch'], 'patch/Shape');
  add('Slice', ['patch/Shape', integers('zero', [0]), integers('two', [2])], 'patch/start');
  add('Concat', ['patch/start', integers('rest', [-1])], 'patch/flat shape', { axis: 0 });
  add('Reshape', ['patch', 'patch/flat shape'], 'patch/flat');
  add('Transpose', ['patch/flat'], 'patches', { perm: [0, 2, 1] });
  add('Shape', ['pixel_values'], 'Shape');
  add('Slice', ['Shape', 'zero', integers('one', [1])], 'batch');
  const prefix = ['class', ...Array.from({ length: registers }, (_, i) => `register${i}`)].map((name) => {
    add(
      'Concat',
      ['batch', integers(`${name}/one`, [1]), integers(`${name}/width`, [channels])],
      `${name}/shape`,
      { axis: 0 },
    );
    return add('Expand', [weight(name, [1, 1, channels], 2), `${name}/shape`], `${name}/expanded`);
  });
  add('Concat', [...prefix, 'patches'], 'embedded', { axis: 1 });
  let stream = add('Add', ['embedded', weight('positions', [1, tokens, channels], 1)], 'positioned');
  const inner = channels / heads;
  integers('split', [0, 0, heads, inner]);
  integers('joined', [0, 0, channels]);
  weights.push(floatTensor('root', [], Float32Array.of(Math.sqrt(inner))));
  weights.push(floatTensor('sqrt2', [], Float32Array.of(Math.SQRT2)));
  weights.push(floatTensor('1', [], Float32Array.of(1)), floatTensor('half', [], Float32Array.of(0.5)));
  for (let i = 0; i < layers; i++) {
    const at = `layer.${i}`;
    const before = normalised(stream, `${at}.norm1`);
    const [query, key, value] = (['query', 'key', 'value'] as const).map((what) => {
      const part = linear(before, `${at}.${what}`, channels, channels);
      const parts = add('Reshape', [part, 'split'], `${at}.${what}/split`);
      const perm = what === 'key' ? [0, 2, 3, 1] : [0, 2, 1, 3];
      return add('Transpose', [parts], `${at}.${what}/heads`, { perm });
    });
    const scores = add('Div', [add('MatMul', [query!, key!], `${at}/scores`), 'root'], `${at}/scaled`);
    const shares = add('Softmax', [scores], `${at}/shares`, { axis: -1 });
    const seen = add('MatMul', [shares, value!], `${at}/seen`);
    const turned = add('Transpose', [seen], `${at}/turned`, { perm: [0, 2, 1, 3] });
    const joined = add('Reshape', [turned, 'joined'], `${at}/joined`);
    stream = scaledSum(stream, linear(joined, `${at}.output`, channels, channels), `${at}.scale1`);
    const wide = linear(normalised(stream, `${at}.norm2`), `${at}.fc1`, channels, 4 * channels);
    add('Div', [wide, 'sqrt2'], `${at}/erf in`);
    add('Erf', [`${at}/erf in`], `${at}/erf`);
    add('Add', [`${at}/erf`, '1'], `${at}/erf1`);
    add('Mul', [wide, `${at}/erf1`], `${at}/gelu2`);
    const active = add('Mul', [`${at}/gelu2`, 'half'], `${at}/gelu`);
    stream = scaledSum(stream, linear(active, `${at}.fc2`, 4 * channels, channels), `${at}.scale2`);
  }
  normalised(stream, 'norm', 'last_hidden_state');
  if (classes > 0) {
    weights.push({ ...shapeTensor('index', [0]), dims: [] });
    add('Gather', ['last_hidden_state', 'index'], 'class token', { axis: 1 });
    weight('classes', [channels, classes], 1);
    add('MatMul', ['class token', 'classes'], 'logits');
  }
  const size = free ? ['height', 'width'] : [side, side];
  const model = buildModel({
    name: 'tiny-vit',
    node: nodes,
    initializer: weights,
    input: [valueInfo('pixel_values', ['batch_size', 3, ...size])],
    output: [
      classes > 0
        ? valueInfo('logits', ['batch_size', classes])
        : valueInfo('last_hidden_state', ['batch_size', 'tokens', channels]),
    ],
  });
  return changed(model, { irVersion: 8, opsetImport: [{ domain: '', version: 17 }] });
}
