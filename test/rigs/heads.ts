/** Head versions in a store, made without training: their weights mean nothing, everything else is right. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { embeddedBases } from '../../models/base.ts';
import { encodeLinearHead } from '../../models/head.ts';
import { readBaseManifest } from '../../models/manifest.ts';
import { openStore } from '../../models/store.ts';

export interface HeadOptions {
  readonly labels?: readonly string[];
  /** Day it was made. */
  readonly day?: string;
  /** sha256 of the base it claims to be made for; default: the embedded one. */
  readonly base?: string;
}

/** Adds a version to the store below a storage directory and hands back its name. */
export async function addHead(storage: string, options: HeadOptions = {}): Promise<string> {
  const { labels = ['good', 'scratch'], day = '2026-11-20' } = options;
  const base = await readBaseManifest(join(embeddedBases, 'resnet50-synthetic.json'));
  const size = base.features.size;
  const model = encodeLinearHead({
    labels,
    weights: Float32Array.from({ length: labels.length * size }, (_, i) => Math.sin(i) / size),
    bias: new Float32Array(labels.length),
    temperature: 1,
  });
  await mkdir(storage, { recursive: true });
  const folder = await mkdtemp(join(storage, 'candidate-'));
  await writeFile(join(folder, 'head.onnx'), model);
  const manifest = {
    schema: 1,
    version: '2026-01-01.1',
    base: { name: base.name, sha256: options.base ?? base.sha256, features: base.features.tensor },
    labels,
    head: { file: 'head.onnx', sha256: createHash('sha256').update(model).digest('hex') },
    temperature: 1,
    createdAt: `${day}T08:00:00.000Z`,
  };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  return (await openStore(storage)).add(folder);
}
