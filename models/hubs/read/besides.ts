/** Reads the files of a hub next to weights. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import type { WeightFile } from './tensors.ts';

/**
 * Repositories of Hugging Face have their ONNX files in the folder `onnx`, and their descriptions above it: the folders to
 * search.
 */
export function foldersOf(path: string): string[] {
  const folder = dirname(path);
  return basename(folder) === 'onnx' ? [folder, dirname(folder)] : [folder];
}

export async function besidesOnnx(path: string): Promise<Pick<WeightFile, 'config' | 'preprocessor'>> {
  const [own, above] = await Promise.all(foldersOf(path).map(besides));
  return { ...above, ...own };
}

const maxJson = 2 ** 20;

/** The files of transformers and timm next to the weights. A file that is not JSON is ignored. */
export async function besides(folder: string): Promise<Pick<WeightFile, 'config' | 'preprocessor'>> {
  const [config, preprocessor] = await Promise.all(
    ['config.json', 'preprocessor_config.json'].map((name) => jsonIn(join(folder, name))),
  );
  return { ...(config !== undefined && { config }), ...(preprocessor !== undefined && { preprocessor }) };
}

async function jsonIn(path: string): Promise<unknown> {
  try {
    if ((await stat(path)).size > maxJson) return undefined;
    const read = check(z.looseObject({}), JSON.parse(await readFile(path, 'utf8')));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}
