/**
 * Weights in separate files (TensorProto.data_location EXTERNAL), which large models need and PyTorch writes by default since 2.9.
 * They are read completely, because the hash of a base covers them, and embedded in the model.
 */
import { lstat, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { tensorDims } from './build.ts';
import { changed, dataType, type OnnxGraph, type OnnxModel, type OnnxTensor } from './proto.ts';

/** Data files by name, in the order in which the model uses them. */
export type ExternalData = ReadonlyMap<string, Uint8Array>;

/** Maximum size of a model as one protobuf message, bytes. */
const maxBytes = 2 ** 31 - 1;
const external = 1;

/** @throws Error with the file and the reason */
export async function readExternalData(file: string, model: OnnxModel): Promise<ExternalData> {
  const found = new Map<string, Uint8Array>();
  let total = 0;
  for (const tensor of tensorsOf(model.graph)) {
    if (!isExternal(tensor)) continue;
    const { location } = placeOf(tensor);
    if (found.has(location)) continue;
    const bytes = await readDataFile(file, location, maxBytes - total);
    total += bytes.length;
    found.set(location, bytes);
  }
  return found;
}

/** The model with embedded weights. @throws Error with the weight whose data is incomplete */
export function withExternalData(model: OnnxModel, data: ExternalData): OnnxModel {
  if (data.size === 0 || !model.graph) return model;
  return changed(model, { graph: filled(model.graph, data) });
}

const isExternal = (tensor: OnnxTensor) => tensor.dataLocation === external || tensor.externalData.length > 0;

function* tensorsOf(graph: OnnxGraph | undefined): Generator<OnnxTensor> {
  if (!graph) return;
  yield* graph.initializer;
  for (const { values, indices } of graph.sparseInitializer) {
    if (values) yield values;
    if (indices) yield indices;
  }
  for (const { t, g, graphs } of graph.node.flatMap(({ attribute }) => attribute)) {
    if (t) yield t;
    for (const body of [...(g ? [g] : []), ...graphs]) yield* tensorsOf(body);
  }
}

interface Place {
  readonly location: string;
  readonly offset: number;
  /** Undefined: up to the end of the file. */
  readonly length: number | undefined;
}

function placeOf({ name, externalData }: OnnxTensor): Place {
  const entries = new Map(externalData.map(({ key, value }) => [key, value ?? '']));
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined || text === '') return undefined;
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
    throw new Error(
      `weight ${name ?? ''} has the ${key} "${text.slice(0, 40)}", which is not a number of bytes`,
    );
  };
  const location = entries.get('location') ?? '';
  if (location === '') throw new Error(`weight ${name ?? ''} does not name its data file`);
  return { location, offset: number('offset') ?? 0, length: number('length') };
}

/** Reads only files in the folder of the model: a downloaded model must not make the agent read other files. */
async function readDataFile(file: string, location: string, limit: number): Promise<Uint8Array> {
  const shown = JSON.stringify(location.slice(0, 200));
  const plain = location.replace(/^\.\//, '');
  if (/[/\\\0]/.test(plain) || plain === '..' || plain === '.') {
    throw new Error(`its weights are in ${shown}, which is not a file in the same folder`);
  }
  const path = join(dirname(file), plain);
  const facts = await lstat(path).catch((cause) => {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = isMissing ? 'which does not exist' : `which cannot be read: ${(cause as Error).message}`;
    throw new Error(`its weights are in ${path}, ${reason}`, { cause });
  });
  if (!facts.isFile()) throw new Error(`its weights are in ${path}, which is not a regular file`);
  if (facts.size > limit) {
    throw new Error(`its weights in ${path} have ${facts.size} bytes: the maximum for a model is 2 GB`);
  }
  try {
    await using handle = await open(path);
    return await handle.readFile();
  } catch (cause) {
    throw new Error(`its weights are in ${path}, which cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function filled(graph: OnnxGraph, data: ExternalData): OnnxGraph {
  const whole = (tensor: OnnxTensor) => (isExternal(tensor) ? inside(tensor, data) : tensor);
  return changed(graph, {
    initializer: graph.initializer.map(whole),
    sparseInitializer: graph.sparseInitializer.map((sparse) =>
      changed(sparse, {
        ...(sparse.values && { values: whole(sparse.values) }),
        ...(sparse.indices && { indices: whole(sparse.indices) }),
      }),
    ),
    node: graph.node.map((node) =>
      changed(node, {
        attribute: node.attribute.map((attribute) =>
          changed(attribute, {
            ...(attribute.t && { t: whole(attribute.t) }),
            ...(attribute.g && { g: filled(attribute.g, data) }),
            graphs: attribute.graphs.map((body) => filled(body, data)),
          }),
        ),
      }),
    ),
  });
}

function inside(tensor: OnnxTensor, data: ExternalData): OnnxTensor {
  const { location, offset, length } = placeOf(tensor);
  const bytes = data.get(location)!;
  const end = length === undefined ? bytes.length : offset + length;
  const name = tensor.name ?? '';
  if (end > bytes.length || offset > bytes.length) {
    throw new Error(
      `weight ${name} ends at byte ${end} of ${location}, which has ${bytes.length}: the file is truncated or belongs to another model`,
    );
  }
  const wanted = sizeOf(tensor);
  if (wanted !== undefined && wanted !== end - offset) {
    throw new Error(`weight ${name} needs ${wanted} bytes, but has ${end - offset} in ${location}`);
  }
  return changed(tensor, { rawData: bytes.subarray(offset, end), externalData: [], dataLocation: 0 });
}

const widths = new Map<number | undefined, number>([
  [dataType.float32, 4],
  [dataType.uint8, 1],
  [dataType.int8, 1],
  [dataType.uint16, 2],
  [dataType.int16, 2],
  [dataType.int32, 4],
  [dataType.int64, 8],
  [dataType.bool, 1],
  [dataType.float16, 2],
  [dataType.float64, 8],
  [dataType.uint32, 4],
  [dataType.uint64, 8],
  [dataType.bfloat16, 2],
]);

/** Size of the raw values, bytes; undefined for unknown types. */
function sizeOf(tensor: OnnxTensor): number | undefined {
  const width = widths.get(tensor.dataType);
  return width && tensorDims(tensor).reduce((product, dim) => product * dim, width);
}
