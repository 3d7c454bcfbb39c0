/** Versions in a store with arbitrary weights; everything else is valid. */
import { join } from 'node:path';
import { embeddedBases } from '../../models/base.ts';
import { type HeadManifest, readBaseManifest } from '../../models/manifest.ts';
import { storeHead } from '../models/fitted-head.ts';

export interface HeadOptions {
  readonly promote?: boolean;
  /** sha256 of the base in its manifest; default: the embedded one. */
  readonly base?: string;
  /** Facts about its training in its manifest. */
  readonly training?: HeadManifest['training'];
}

/** Adds a head with the labels good and scratch to a storage directory and returns its version. */
export async function addHead(
  storage: string,
  { promote = false, base: sha256, training }: HeadOptions = {},
): Promise<string> {
  const base = await readBaseManifest(join(embeddedBases, 'resnet50-embedded.json'));
  const { size } = base.features;
  return storeHead(
    storage,
    { ...base, ...(sha256 !== undefined && { sha256 }) },
    async ({ data }) => Float32Array.from({ length: size }, (_, i) => data[i % data.length]! / 255),
    { promote, ...(training && { training }) },
  );
}
