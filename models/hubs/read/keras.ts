/**
 * Keras files. The names of all three generations are converted to one form, "conv1_conv/kernel":
 *
 *     .h5, .hdf5          conv1_conv/conv1_conv/kernel:0, below model_weights/ if the file also has the topology
 *     .h5 of Keras 1      block1_conv1/block1_conv1_W_1:0
 *     .keras              config.json names the layers; model.weights.h5 only numbers them: layers/conv2d_7/vars/0
 *     .weights.h5         numbers them without names, which come from layersInOrder of an architecture
 */
import { z } from 'zod';
import { openZip } from '../../disk/zip.ts';
import { type Bytes, bytesIn, damaged, textOf, unsupported, withFiles } from './bytes.ts';
import { readHdf5 } from './hdf5/file.ts';
import { checked, collect, type NamedTensor, parseJson, type WeightFile } from './tensors.ts';
import { readEntry } from './zip-entry.ts';

const maxWeights = 2 ** 30;
const maxConfig = 64 * 2 ** 20;

const layerSchema = z.object({
  class_name: z.string(),
  name: z.string().optional(),
  config: z.looseObject({}),
});
const configSchema = z.object({ config: z.object({ layers: z.array(layerSchema).max(20_000) }) });

/** @throws QcError weights-… */
export function readKerasH5(path: string): Promise<WeightFile> {
  return withFiles(async (open) => {
    const bytes = await open(path);
    const { tensors, attribute } = await readHdf5(bytes);
    const topology = await attribute('model_config');
    const config = topology === undefined ? undefined : parseJson(bytes.name, topology, z.unknown());
    const isCounted = [...tensors.keys()].some((name) => counted.test(name));
    return {
      format: `Keras ${isCounted ? '.weights.h5' : '.h5'}`,
      tensors: collect(bytes.name, [...tensors.values()].flatMap(withLayerName)),
      ...(config !== undefined && { config }),
    };
  });
}

/** @throws QcError weights-… */
export async function readKerasZip(path: string, file: string): Promise<WeightFile> {
  await using zip = await openZip(path, 1_000).catch((cause) => {
    throw damaged(file, `it is not a complete zip file: ${(cause as Error).message}`, cause);
  });
  const config = parseJson(file, textOf(await readEntry(zip, file, 'config.json', maxConfig)), z.unknown());
  const weights = await readEntry(zip, file, 'model.weights.h5', maxWeights);
  const { tensors } = await readHdf5(bytesIn(file, weights) satisfies Bytes);
  const { layers } = checked(file, config, configSchema).config;
  const names = countedNames(
    layers.map(({ class_name, name, config: inner }) => ({
      kind: class_name,
      name: name ?? (typeof inner.name === 'string' ? inner.name : ''),
    })),
  );
  const renamed = [...tensors.values()].flatMap((tensor) => {
    const [, layer = '', index = ''] = counted.exec(tensor.name) ?? [];
    const found = names.get(layer);
    const weight = found?.weights[Number(index)];
    return found && weight !== undefined ? [{ ...tensor, name: `${found.name}/${weight}` }] : [];
  });
  if (renamed.length === 0 && tensors.size > 0)
    throw unsupported(file, 'its weights do not match the layers in config.json');
  return {
    format: 'Keras .keras',
    tensors: collect(file, renamed),
    config,
    // All of it is in memory.
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** "layers/conv2d_7/vars/0", with or without other groups above. */
const counted = /^(?:layers|_layer_checkpoint_dependencies)\/([^/]+)\/vars\/(\d+)$/;

/** In the order in which Keras 3 saves the variables of a layer. */
const variables: Readonly<Record<string, readonly string[]>> = {
  Conv2D: ['kernel', 'bias'],
  DepthwiseConv2D: ['kernel', 'bias'],
  Dense: ['kernel', 'bias'],
  BatchNormalization: ['gamma', 'beta', 'moving_mean', 'moving_variance'],
};

export interface LayerOfKind {
  /** Its class: Conv2D, BatchNormalization … */
  readonly kind: string;
  readonly name: string;
}

interface CountedLayer {
  readonly name: string;
  readonly weights: readonly string[];
}

/** Keras 3 names a layer after its class and the number of previous ones of that class: conv2d, conv2d_1 … */
function countedNames(layers: readonly LayerOfKind[]): ReadonlyMap<string, CountedLayer> {
  const counts = new Map<string, number>();
  const found = new Map<string, CountedLayer>();
  for (const { kind, name } of layers) {
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    const snake = kind.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
    found.set(count === 0 ? snake : `${snake}_${count}`, { name, weights: variables[kind] ?? [] });
  }
  return found;
}

/** Names numbered tensors after the layers of an architecture, in order. */
export function withNamesInOrder(
  file: string,
  tensors: ReadonlyMap<string, NamedTensor>,
  layers: readonly LayerOfKind[],
): Map<string, NamedTensor> {
  const names = countedNames(layers);
  return collect(
    file,
    [...tensors.values()].map((tensor) => {
      const [, layer = '', index = ''] = counted.exec(tensor.name) ?? [];
      const found = names.get(layer);
      const weight = found?.weights[Number(index)];
      return found && weight !== undefined ? { ...tensor, name: `${found.name}/${weight}` } : tensor;
    }),
  );
}

/** Number of layers of each class in a file; undefined if its layers have names. */
export function countedLayers(
  tensors: ReadonlyMap<string, NamedTensor>,
): ReadonlyMap<string, number> | undefined {
  const layers = new Set([...tensors.keys()].flatMap((name) => counted.exec(name)?.[1] ?? []));
  if (layers.size === 0) return undefined;
  const counts = new Map<string, number>();
  for (const layer of layers) {
    const kind = layer.replace(/_\d+$/, '');
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

const oldWeights: Readonly<Record<string, string>> = { W: 'kernel', b: 'bias' };

/** "conv1_conv/conv1_conv/kernel:0" becomes "conv1_conv/kernel"; tensors of an optimizer are omitted. */
function withLayerName(tensor: NamedTensor): NamedTensor[] {
  const parts = tensor.name.replace(/:\d+$/, '').split('/');
  if (parts[0] === 'optimizer_weights' || parts[0] === 'optimizer') return [];
  if (parts[0] === 'model_weights') parts.shift();
  const weight = parts.pop() ?? '';
  const half = parts.length / 2;
  const isTwice = half >= 1 && parts.slice(0, half).join('/') === parts.slice(half).join('/');
  const layer = (isTwice ? parts.slice(0, half) : parts).join('/');
  const [, old] = /_([Wb])_\d+$/.exec(weight) ?? [];
  const isOld = old !== undefined && weight.startsWith(`${layer}_`);
  return [{ ...tensor, name: `${layer}/${isOld ? oldWeights[old] : weight}` }];
}
