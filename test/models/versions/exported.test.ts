import { createHash } from 'node:crypto';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { QcError } from '../../../config/errors.ts';
import { openBase } from '../../../models/base.ts';
import type { BaseManifest } from '../../../models/manifest.ts';
import { node, valueInfo } from '../../../models/onnx/build.ts';
import { cutAt } from '../../../models/onnx/cut.ts';
import { halfModel } from '../../../models/onnx/half.ts';
import {
  changed,
  dataType,
  encodeModel,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from '../../../models/onnx/proto.ts';
import { integerTensor } from '../../../models/onnx/tensors.ts';
import { halveBase } from '../../../models/quantize/half.ts';
import { quantizeBase } from '../../../models/quantize/quantize.ts';
import type { PooledMap } from '../../../models/run/runner.ts';
import { openSession } from '../../../models/run/session.ts';
import { formulaImage } from '../formula-image.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyClassifier, tinyManifest, writeTiny } from '../tiny-model.ts';

const withGraph = (model: OnnxModel, changes: Partial<OnnxGraph>) =>
  changed(model, { graph: changed(model.graph!, changes) });

function typed(value: OnnxValueInfo, type: number): OnnxValueInfo {
  return { ...value, type: { tensorType: { ...value.type!.tensorType, elemType: type } } };
}

/** The weights of IR version 3 are inputs too. */
function listedWeights(): OnnxModel {
  const model = cutAt(tinyClassifier(), 'flat', ['N', 8]);
  const { input, initializer } = model.graph!;
  const listed = initializer.map(({ name, dims }) => valueInfo(name!, dims as number[]));
  return changed(withGraph(model, { input: [...input, ...listed] }), {
    irVersion: 3,
    opsetImport: [{ domain: '', version: 7 }],
  });
}

/** Without the casts at both ends: inputs and outputs are float16. */
function halfThroughout(model: OnnxModel): OnnxModel {
  const { graph } = halfModel(model);
  const inner = graph!.node.slice(1, -1);
  return withGraph(model, {
    node: inner.map((one) => changed(one, { input: one.input.map(plain), output: one.output.map(plain) })),
    initializer: graph!.initializer,
    input: graph!.input.map((value) => typed(value, dataType.float16)),
    output: graph!.output.map((value) => typed(value, dataType.float16)),
  });
}
const plain = (name: string) => name.replace(/_half$/, '');

/** A graph that prepares the pixels itself. */
function uint8Input(): OnnxModel {
  const model = tinyClassifier();
  const { input, node: nodes } = model.graph!;
  const [data] = input;
  const prepared: OnnxNode[] = [
    node('Cast', ['data'], ['float'], { to: dataType.float32 }),
    node('Mul', ['float', 'scale'], ['small']),
  ];
  const reads = (one: OnnxNode) => one.input.map((name) => (name === 'data' ? 'small' : name));
  return withGraph(model, {
    input: [typed(data!, dataType.uint8)],
    node: [...prepared, ...nodes.map((one) => changed(one, { input: reads(one) }))],
    initializer: [...model.graph!.initializer, scalar('scale', 1 / 255)],
  });
}

function scalar(name: string, value: number): OnnxTensor {
  const rawData = new Uint8Array(Float32Array.of(value).buffer);
  return { ...integerTensor(name, [], new Int32Array(1)), dataType: dataType.float32, rawData };
}

function fixedBatch(size: number, model = tinyClassifier()): OnnxModel {
  return withGraph(model, {
    input: [valueInfo('data', [size, 3, 32, 32])],
    output: [valueInfo('logits', [size, 1000])],
  });
}

/** Moves the weights into a file beside the model. */
function outside(model: OnnxModel, location = 'tiny.onnx.data') {
  const parts: Uint8Array[] = [];
  let offset = 0;
  const initializer = model.graph!.initializer.map((tensor) => {
    const bytes = tensor.rawData!;
    parts.push(bytes);
    const entries = { location, offset: String(offset), length: String(bytes.length) };
    offset += bytes.length;
    return changed(tensor, {
      rawData: new Uint8Array(0),
      dataLocation: 1,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    });
  });
  return { model: withGraph(model, { initializer }), data: Buffer.concat(parts) };
}

const raw = { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;
const input = (changes: object) => ({ ...tinyManifest(new Uint8Array()).input, ...changes });
const flat = () => cutAt(tinyClassifier(), 'flat', ['N', 8]);

const exported: Record<
  string,
  { model: () => OnnxModel; like?: Partial<BaseManifest>; changes?: Partial<BaseManifest> }
> = {
  'IR version 3, weights among the inputs': { model: listedWeights },
  'float16 inside': {
    model: () => halfModel(flat()),
    changes: { features: { tensor: 'flat', pool: 'none', size: 8 } },
  },
  'float16 inside, cut where it is float16': {
    model: () => halfModel(tinyClassifier()),
  },
  'float16 inside, averaged from a map in float16': {
    model: () => halfModel(tinyClassifier()),
    changes: { features: { tensor: 'stage', pool: 'average', size: 8 } },
  },
  'float16 in and out': { model: () => halfThroughout(flat()), changes: { precision: 'fp16' } },
  'a batch of exactly 4 images': { model: () => fixedBatch(4) },
  'uint8 in': {
    model: uint8Input,
    changes: { input: input(raw) },
    like: { input: input({ mean: [0, 0, 0], std: [1, 1, 1] }) },
  },
};

async function featuresOf(base: string): Promise<Float32Array> {
  await using session = await openSession({ base, precision: 'auto', provider: 'cpu', threads: 1 });
  return await session.features(formulaImage(48, 40));
}

function expectAlike(found: Float32Array, wanted: Float32Array): void {
  const largest = Math.max(...wanted.map(Math.abs));
  expect(found).toHaveLength(wanted.length);
  const apart = Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)));
  expect(apart / largest).toBeLessThan(5e-3);
}

describe('a base in the form of an exporter', () => {
  test.each(Object.entries(exported))(
    '%s: runs, and can be quantized to int8',
    async (_name, { model, changes, like }) => {
      await using folder = await tempFolder();
      await using reference = await tempFolder();
      const path = await writeTiny(folder.path, changes, model());
      expectAlike(await featuresOf(path), await featuresOf(await writeTiny(reference.path, like)));

      const base = await openBase({ base: path, precision: 'auto' });
      const pictures = Array.from({ length: 8 }, (_, i) => async () => formulaImage(40 + i, 40));
      const options = { threads: 1, onProgress: () => undefined };
      const made = await quantizeBase(base, pictures, {
        ...options,
        method: 'minmax',
        source: 'test',
        revision: null,
      });
      expect(made.manifest).toMatchObject({ precision: 'int8', variantOf: base.manifest.sha256 });
      expect(made.report.quantization.correlation).toBeGreaterThan(0.9);
      expect((await halveBase(base, pictures.slice(0, 2), options)).correlation).toBeGreaterThan(0.99);
    },
  );

  test('the map for "why" is float32 from a graph in float16', async () => {
    await using folder = await tempFolder();
    const base = await writeTiny(folder.path, {}, halfModel(tinyClassifier()));
    await using session = await openSession({
      base,
      precision: 'auto',
      provider: 'cpu',
      threads: 1,
      pooled: true,
    });
    const [{ map }] = (await session.pooled(formulaImage(32, 32))) as [PooledMap];
    expect(map.data).toBeInstanceOf(Float32Array);
    expect(map.data).toHaveLength(8 * map.height * map.width);
  });
});

async function refusal(base: string): Promise<QcError> {
  const error = await openBase({ base, precision: 'auto' }).catch((cause: unknown) => cause);
  if (error instanceof QcError) return error;
  throw new Error(`it was accepted, or failed with ${error}`);
}

describe('a base with unsupported inputs is refused with a remedy', () => {
  const reshaped = () => {
    const model = tinyClassifier();
    const shape = { ...integerTensor('shape', [2], new Int32Array(2)), dataType: dataType.int64 };
    const rawData = new Uint8Array(BigInt64Array.of(4n, 8n).buffer);
    return withGraph(model, {
      node: model.graph!.node.map((one) =>
        one.opType === 'Flatten' ? node('Reshape', ['pooled', 'shape'], ['flat']) : one,
      ),
      initializer: [...model.graph!.initializer, { ...shape, rawData }],
    });
  };
  const withInput = (name: string, dims: (number | string)[], type: number = dataType.float32) =>
    withGraph(tinyClassifier(), { input: [typed(valueInfo(name, dims), type)] });
  const cases: Record<string, [OnnxModel, string]> = {
    'uint8 with mean and std': [uint8Input(), 'input.scale to 1, input.mean to [0, 0, 0]'],
    'a batch that a Reshape fixes': [fixedBatch(4, reshaped()), 'with a free first dimension'],
    'no batch dimension': [withInput('data', [3, 32, 32]), 'four dimensions'],
    'another name': [withInput('pixels', ['N', 3, 32, 32]), 'set input.name in the manifest to "pixels"'],
    'channels last': [withInput('data', ['N', 32, 32, 3]), 'input.layout in the manifest to NHWC'],
    'another size': [withInput('data', ['N', 3, 64, 48]), 'input.width to 48 and input.height to 64'],
    'double precision': [withInput('data', ['N', 3, 32, 32], dataType.float64), 'float32 input'],
  };
  test.each(Object.entries(cases))('%s', async (_name, [model, remedy]) => {
    await using folder = await tempFolder();
    const error = await refusal(await writeTiny(folder.path, {}, model));
    expect([error.code, error.remedy]).toEqual(['model-mismatch', expect.stringContaining(remedy)]);
  });
});

describe('weights in a file next to the model', () => {
  async function write(folder: string, { model, data }: ReturnType<typeof outside>, covered = true) {
    const bytes = encodeModel(model);
    const sha256 = createHash('sha256')
      .update(bytes)
      .update(covered ? data : '')
      .digest('hex');
    await writeFile(join(folder, 'tiny.onnx.data'), data);
    return writeTiny(folder, { sha256 }, bytes);
  }

  test('are read, and quantized, with their hash', async () => {
    await using folder = await tempFolder();
    await using reference = await tempFolder();
    const path = await write(folder.path, outside(tinyClassifier()));
    expect(await featuresOf(path)).toEqual(await featuresOf(await writeTiny(reference.path)));
    const base = await openBase({ base: path, precision: 'auto' });
    expect(base.model).toBeInstanceOf(Uint8Array);
  });

  test('without a hash in the manifest are refused with the hash to enter', async () => {
    await using folder = await tempFolder();
    const path = await write(folder.path, outside(tinyClassifier()), false);
    const error = await refusal(path);
    expect(error.code).toBe('model-mismatch');
    expect(error.remedy).toContain('external_data=False');
    const [sha256] = /[0-9a-f]{64}/.exec(error.remedy)!;
    await writeTiny(folder.path, { sha256 }, await readFile(path));
    await openBase({ base: path, precision: 'auto' });
  });

  test('are damaged by one bit', async () => {
    await using folder = await tempFolder();
    const made = outside(tinyClassifier());
    const path = await write(folder.path, made);
    made.data[100]! ^= 1;
    await writeFile(join(folder.path, 'tiny.onnx.data'), made.data);
    expect((await refusal(path)).code).toBe('model-damaged');
  });

  const entry = (key: string, value: string) => {
    const { model, data } = outside(tinyClassifier());
    const [first, ...others] = model.graph!.initializer;
    const externalData = [...first!.externalData.filter((one) => one.key !== key), { key, value }];
    return { model: withGraph(model, { initializer: [changed(first!, { externalData }), ...others] }), data };
  };
  const hostile: Record<string, [ReturnType<typeof outside>, string]> = {
    'in a folder above': [outside(tinyClassifier(), '../tiny.onnx.data'), 'not a file in the same folder'],
    'at an absolute path': [outside(tinyClassifier(), '/etc/hostname'), 'not a file in the same folder'],
    'after a backslash': [outside(tinyClassifier(), '..\\tiny.onnx.data'), 'not a file in the same folder'],
    'in the folder itself': [outside(tinyClassifier(), '.'), 'not a file in the same folder'],
    'in a file that is missing': [outside(tinyClassifier(), 'other.data'), 'which does not exist'],
    'in no file': [entry('location', ''), 'does not name its data file'],
    'after the end': [entry('offset', '99999999'), 'is truncated or belongs to another model'],
    'before the start': [entry('offset', '-4'), 'not a number of bytes'],
    'of another length': [entry('length', '12'), 'bytes'],
    'of an invalid length': [entry('length', '1e9'), 'not a number of bytes'],
  };
  test.each(Object.entries(hostile))('%s are refused', async (_name, [made, reason]) => {
    await using folder = await tempFolder();
    const error = await refusal(await write(folder.path, made));
    expect(error.code).toBe('model-damaged');
    expect(error.message).toContain(reason);
    expect(error.message).not.toContain('\n');
  });

  test('behind a symbolic link are refused', async () => {
    await using folder = await tempFolder();
    await using elsewhere = await tempFolder();
    const made = outside(tinyClassifier(), 'link.data');
    await writeFile(join(elsewhere.path, 'secret'), made.data);
    await symlink(join(elsewhere.path, 'secret'), join(folder.path, 'link.data'));
    const error = await refusal(await write(folder.path, made));
    expect([error.code, error.message]).toEqual([
      'model-damaged',
      expect.stringContaining('not a regular file'),
    ]);
  });

  test('that are cut off are refused', async () => {
    await using folder = await tempFolder();
    const made = outside(tinyClassifier());
    const path = await write(folder.path, { ...made, data: made.data.subarray(0, 200) });
    expect((await refusal(path)).message).toContain('is truncated or belongs to another model');
  });
});
