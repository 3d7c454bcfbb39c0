/** Base and head as one plain ONNX file, for other runtimes. */
import { readFile } from 'node:fs/promises';
import type { ModelConfig } from '../../config/schema.ts';
import { type Base, isMapName, mapShapes, openBase } from '../base.ts';
import { writeDurably } from '../disk/durable.ts';
import { headInputs, requireHeadGraph, requireSameBase } from '../head.ts';
import type { BaseManifest } from '../manifest.ts';
import { withWeightsApart } from '../onnx/adapt.ts';
import { valueInfo } from '../onnx/build.ts';
import { join as joined } from '../onnx/join.ts';
import { changed, decodeModel, encodeModel } from '../onnx/proto.ts';
import { featureDims } from '../quantize/float.ts';
import { baseForIn, withBaseInUse } from './pair.ts';
import { openStore } from './store.ts';

export interface Exported {
  readonly version: string;
  readonly labels: readonly string[];
  /** Of the base. */
  readonly licence: string;
  readonly bytes: number;
}

/**
 * Writes one model whose input is the base's and whose outputs are the head's (`probabilities`, and `familiarity` and `where` if
 * the head outputs it); labels, version and the preparation of images are in its metadata.
 * @throws QcError version-unknown, head-damaged, head-base-mismatch, model-…
 */
export async function exportModel(
  model: Pick<ModelConfig, 'base' | 'precision'>,
  storageDirectory: string,
  version: string,
  file: string,
): Promise<Exported> {
  const store = await openStore(storageDirectory);
  const head = await store.read(version);
  const own = await baseForIn(model, storageDirectory)(head.manifest);
  const base = await openBase({ ...model, base: own?.name ?? model.base, storageDirectory }, 'maps');
  const { manifest } = base;
  requireSameBase(head.manifest, manifest);
  requireHeadGraph(head.model, head.manifest, headInputs(base));
  const bare = decodeModel(typeof base.model === 'string' ? await readFile(base.model) : base.model);
  // The head's weights must not become inputs.
  const body = withWeightsApart(bare);
  const whole = joined(body, (input) => tensorFor(base, input), decodeModel(head.model), {
    labels: JSON.stringify(head.manifest.labels),
    version,
    base: `${manifest.name} ${manifest.sha256}`,
    input: JSON.stringify(manifest.input),
    licence: manifest.licence,
    ...(head.manifest.thresholds && { thresholds: JSON.stringify(head.manifest.thresholds) }),
    ...(head.manifest.familiar !== undefined && { familiar: String(head.manifest.familiar) }),
    ...(head.manifest.where !== undefined && { where: String(head.manifest.where) }),
  });
  const bytes = encodeModel(whole);
  await writeDurably(file, bytes);
  return { version, labels: head.manifest.labels, licence: manifest.licence, bytes: bytes.length };
}

/** The tensor of the base for an input of a head. */
function tensorFor(base: Base, input: string): string | undefined {
  if (!isMapName(input)) return base.output;
  return base.extraOutputs[mapShapes(base).findIndex(({ name }) => name === input)];
}

export interface ExportedBase {
  readonly base: string;
  readonly input: string;
  readonly output: string;
  /** Number of features of one image. */
  readonly size: number;
  readonly licence: string;
  readonly bytes: number;
}

/**
 * Writes the base for an inference server: one model from prepared pixels to features.
 * @throws QcError model-…, precision-unavailable
 */
export async function exportBase(
  model: Pick<ModelConfig, 'base' | 'precision'>,
  storageDirectory: string,
  file: string,
): Promise<ExportedBase> {
  const base = await openBase({ ...(await withBaseInUse(model, storageDirectory)), storageDirectory });
  const { manifest, output, model: graph, batch } = base;
  const bytes = withLicence(
    typeof graph === 'string' ? await readFile(graph) : withShape({ model: graph, output, manifest, batch }),
    manifest.licence,
  );
  await writeDurably(file, bytes);
  const { size } = manifest.features;
  return {
    base: manifest.name,
    input: manifest.input.name,
    output,
    size,
    licence: manifest.licence,
    bytes: bytes.length,
  };
}

function withLicence(bytes: Uint8Array, licence: string): Uint8Array {
  const model = decodeModel(bytes);
  const others = model.metadataProps.filter(({ key }) => key !== 'licence');
  return encodeModel(changed(model, { metadataProps: [...others, { key: 'licence', value: licence }] }));
}

/** Adds the shape of the output, which servers require and a cut graph lacks. */
function withShape({
  model,
  output,
  manifest,
  batch = 1,
}: {
  readonly model: Uint8Array;
  readonly output: string;
  readonly manifest: BaseManifest;
  readonly batch: string | number | undefined;
}): Uint8Array {
  const whole = decodeModel(model);
  const dims = featureDims(whole, { tensor: output, size: manifest.features.size, pool: 'none' });
  if (!dims) return model;
  const shape = valueInfo(output, [batch, ...dims.slice(1)]);
  const outputs = whole.graph!.output.map((one) => (one.name === output ? shape : one));
  return encodeModel(changed(whole, { graph: changed(whole.graph!, { output: outputs }) }));
}
