/** Versions in a store whose weights mean nothing: everything else is right. */
import { join } from 'node:path';
import { embeddedBases } from '../../models/base.ts';
import { type HeadManifest, readBaseManifest } from '../../models/manifest.ts';
import { storeHead } from '../models/fitted-head.ts';

export interface HeadOptions {
  readonly promote?: boolean;
  /** sha256 of the base it claims to be made for; default: the embedded one. */
  readonly base?: string;
  /** Facts about its training that its manifest tells. */
  readonly training?: HeadManifest['training'];
}

/** Adds a head that knows good and scratch below a storage directory and hands back the name of its version. */
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
