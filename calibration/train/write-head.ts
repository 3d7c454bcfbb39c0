/** A fitted head → a folder that `Store.add` copies in. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolders } from '../../models/disk/folders.ts';
import { encodeHead, type HeadWeights } from '../../models/head.ts';
import { type BaseManifest, type HeadManifest, manifestText } from '../../models/manifest.ts';

export interface HeadFacts {
  /** The base whose features it was fitted on. */
  readonly base: BaseManifest;
  readonly createdAt: Date;
  /** Default: those of the config hold. */
  readonly thresholds?: HeadManifest['thresholds'];
  /** Familiarity below which a part is unfamiliar. */
  readonly familiar?: number;
  /** How it was fitted: method, pictures, figures. */
  readonly training?: HeadManifest['training'];
}

/** Writes manifest.json and head.onnx into the folder, which is made; the store gives the version its number. */
export async function writeHead(folder: string, head: HeadWeights, facts: HeadFacts): Promise<void> {
  const model = encodeHead(head);
  const { base, createdAt, thresholds, familiar, training = {} } = facts;
  const manifest: HeadManifest = {
    schema: 2,
    version: `${createdAt.toISOString().slice(0, 10)}.0`,
    base: { name: base.name, sha256: base.variantOf ?? base.sha256, features: base.features.tensor },
    labels: [...head.labels],
    ...(thresholds && { thresholds }),
    ...(familiar !== undefined && { familiar }),
    head: { file: 'head.onnx', sha256: createHash('sha256').update(model).digest('hex') },
    temperature: head.temperature,
    createdAt: createdAt.toISOString(),
    training,
  };
  await makeFolders(folder);
  await writeFile(join(folder, manifest.head.file), model);
  await writeFile(join(folder, 'manifest.json'), manifestText(manifest));
}
