/** Writes a trained head to a folder for `Store.add`. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolders } from '../../models/disk/folders.ts';
import { encodeHead, type HeadWeights } from '../../models/head.ts';
import { type BaseManifest, type HeadManifest, manifestText } from '../../models/manifest.ts';

export interface HeadFacts {
  /** The base whose features it was trained on. */
  readonly base: BaseManifest;
  readonly createdAt: Date;
  /** Default: those of the config. */
  readonly thresholds?: HeadManifest['thresholds'];
  /** A part with a lower familiarity is unfamiliar. */
  readonly familiar?: number;
  /** Of a head that knows good parts only: its score at familiarity 0.5. */
  readonly scoreLimit?: number;
  /** Minimum peak from which a location is reported, in standard deviations of ordinary cells. */
  readonly where?: number | undefined;
  /** How it was trained: method, images, figures. */
  readonly training?: HeadManifest['training'];
}

export interface EncodedHead extends Pick<HeadWeights, 'labels' | 'temperature'> {
  readonly model: Uint8Array;
}

/** Writes manifest.json and head.onnx to the folder, which is created; the store assigns the version number. */
export async function writeHead(folder: string, head: HeadWeights, facts: HeadFacts): Promise<void> {
  const { labels, temperature } = head;
  await writeGraph(folder, { model: encodeHead(head), labels, temperature }, facts);
}

/** The same for a graph that is encoded already. */
export async function writeGraph(
  folder: string,
  { model, labels, temperature }: EncodedHead,
  facts: HeadFacts,
): Promise<void> {
  const { base, createdAt, thresholds, familiar, scoreLimit, where, training = {} } = facts;
  const manifest: HeadManifest = {
    schema: 2,
    version: `${createdAt.toISOString().slice(0, 10)}.0`,
    base: { name: base.name, sha256: base.variantOf ?? base.sha256, features: base.features.tensor },
    labels: [...labels],
    ...(thresholds && { thresholds }),
    ...(familiar !== undefined && { familiar }),
    ...(scoreLimit !== undefined && { scoreLimit }),
    ...(where !== undefined && { where }),
    head: { file: 'head.onnx', sha256: createHash('sha256').update(model).digest('hex') },
    temperature,
    createdAt: createdAt.toISOString(),
    training,
  };
  await makeFolders(folder);
  await writeFile(join(folder, manifest.head.file), model);
  await writeFile(join(folder, 'manifest.json'), manifestText(manifest));
}
