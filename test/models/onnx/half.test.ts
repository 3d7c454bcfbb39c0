import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../calibration/train/random.ts';
import { floatTensor, tensorDims } from '../../../models/onnx/build.ts';
import { graphInputs, graphOutputs } from '../../../models/onnx/graph.ts';
import { halfModel } from '../../../models/onnx/half.ts';
import { changed, dataType, encodeModel, type OnnxModel } from '../../../models/onnx/proto.ts';
import { foldModel } from '../../../models/onnx/quantize/fold.ts';
import { fromFloat16, toFloat16, weightValues } from '../../../models/onnx/tensors.ts';
import { openGraph } from '../../../models/run/session-graph.ts';
import { side, tinyResnet } from '../tiny-resnet.ts';

describe('a number as float16', () => {
  it('every pattern is converted back to itself', () => {
    for (let bits = 0; bits < 65_536; bits++) {
      const value = fromFloat16(bits);
      if (Number.isNaN(value)) expect(Number.isNaN(fromFloat16(toFloat16(value)))).toBe(true);
      else if (toFloat16(value) !== bits) expect([bits, toFloat16(value)]).toEqual([bits, bits]);
    }
  });

  it('is the nearest one, or the even one of two equally near', () => {
    const { next } = seededRandom(1);
    for (let n = 0; n < 20_000; n++) {
      const value = Math.fround((next() - 0.5) * 2 ** Math.floor(next() * 44 - 27));
      const bits = toFloat16(value);
      const error = Math.abs(fromFloat16(bits) - value);
      for (const other of [bits - 1, bits + 1].filter((one) => (one & 0x7fff) < 0x7c00 && one >= 0)) {
        const otherError = Math.abs(fromFloat16(other) - value);
        if (Math.sign(fromFloat16(other)) !== -Math.sign(value))
          expect(error).toBeLessThanOrEqual(otherError);
        if (error === otherError) expect(bits & 1).toBe(0);
      }
    }
    expect([65_504, 65_519.99, 65_520, -1e9].map(toFloat16)).toEqual([0x7bff, 0x7bff, 0x7c00, 0xfc00]);
    expect([2 ** -25, 1.5 * 2 ** -24, 2 ** -14 - 2 ** -26].map(toFloat16)).toEqual([0, 2, 0x0400]);
  });
});

describe('a graph in half precision', () => {
  const folded = foldModel(tinyResnet());
  const half = halfModel(folded);

  async function run(model: OnnxModel, values: Float32Array): Promise<Float32Array> {
    const dims = [1, 3, side, side];
    await using graph = await openGraph(model, { input: 'input', dims, dimensions: { N: 1 }, threads: 1 });
    const [output] = graphOutputs(model.graph!);
    return Float32Array.from((await graph.run(values, [output!.name])).get(output!.name)!);
  }

  it('has float32 inputs and outputs, and the same results up to rounding', async () => {
    expect(graphInputs(half.graph!)).toEqual(graphInputs(folded.graph!));
    expect(graphOutputs(half.graph!)).toEqual(graphOutputs(folded.graph!));
    const { next } = seededRandom(2);
    const values = Float32Array.from({ length: 3 * side * side }, () => next() - 0.5);
    const [exact, rounded] = [await run(folded, values), await run(half, values)];
    const largest = Math.max(...exact.map(Math.abs));
    const apart = Math.max(...exact.map((value, i) => Math.abs(value - rounded[i]!))) / largest;
    expect(apart).toBeGreaterThan(0);
    expect(apart).toBeLessThan(0.005);
  });

  it('has all its float weights in float16, of the same shapes', () => {
    for (const [n, tensor] of half.graph!.initializer.entries()) {
      const before = folded.graph!.initializer[n]!;
      expect(tensor.name).toBe(before.name);
      expect(tensorDims(tensor)).toEqual(tensorDims(before));
      expect(tensor.dataType).toBe(before.dataType === dataType.float32 ? dataType.float16 : before.dataType);
    }
    expect(encodeModel(half).length).toBeLessThan(0.75 * encodeModel(folded).length);
  });

  it('passes the checker of ONNX itself, shapes and types included', (context) => {
    if (spawnSync('/usr/bin/python3', ['-c', 'import onnx']).status !== 0) {
      context.skip('python3-onnx is not installed');
    }
    const check = 'import onnx,sys; onnx.checker.check_model(onnx.load(sys.stdin.buffer), full_check=True)';
    const { status, stderr } = spawnSync('/usr/bin/python3', ['-c', check], { input: encodeModel(half) });
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
  });

  it('refuses a weight too large for float16, with its name', () => {
    const [first, ...others] = folded.graph!.initializer;
    const values = weightValues(first!).map((value, i) => (i === 3 ? 1e6 : value));
    const large = floatTensor(first!.name!, tensorDims(first!), values);
    const model = changed(folded, {
      graph: changed(folded.graph!, { initializer: [large, ...others] }),
    });
    expect(() => halfModel(model)).toThrow(`${first!.name}: value 3 is too large for float16`);
  });
});
