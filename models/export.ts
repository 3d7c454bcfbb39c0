/** Base and head as one plain ONNX file, for other runtimes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelConfig } from '../config/schema.ts';
import { openBase } from './base.ts';
import { writeDurably } from './durable.ts';
import { requireHeadGraph, requireSameBase } from './head.ts';
import { join as joined } from './onnx/join.ts';
import { decodeModel, encodeModel } from './onnx/proto.ts';
import { openStore } from './store.ts';

export interface Exported {
  readonly version: string;
  readonly labels: readonly string[];
  readonly bytes: number;
}

/**
 * Writes one model whose input is the base's and whose outputs are the head's (`probabilities`, and `familiarity` where the
 * head tells it); labels, version and how a picture is prepared are in its metadata.
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
  const base = await openBase({ ...model, directories: [join(storageDirectory, 'bases')] });
  const { manifest } = base;
  requireSameBase(head.manifest, manifest);
  requireHeadGraph(head.model, head.manifest, manifest.features.size);
  const body = decodeModel(typeof base.model === 'string' ? await readFile(base.model) : base.model);
  const whole = joined(body, base.output, decodeModel(head.model), {
    labels: JSON.stringify(head.manifest.labels),
    version,
    base: `${manifest.name} ${manifest.sha256}`,
    input: JSON.stringify(manifest.input),
    ...(head.manifest.thresholds && { thresholds: JSON.stringify(head.manifest.thresholds) }),
    ...(head.manifest.familiar !== undefined && { familiar: String(head.manifest.familiar) }),
  });
  const bytes = encodeModel(whole);
  await writeDurably(file, bytes);
  return { version, labels: head.manifest.labels, bytes: bytes.length };
}
