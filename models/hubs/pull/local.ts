/** Local files (`--from`) or files of a cache: copied, and checked like a download. */
import { createReadStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { QcError } from '../../../config/errors.ts';
import type { Source } from './address.ts';
import type { Check } from './checks.ts';
import { type DownloadDeps, type Downloaded, finish, verifyFile } from './download.ts';
import { addressOf, chooseFiles } from './hugging-face.ts';
import { partOf } from './part.ts';
import { requireSpace } from './space.ts';

export interface LocalFile {
  readonly path: string;
  readonly name: string;
  readonly address: string;
  readonly checks: readonly Check[];
  readonly bytes?: number | undefined;
}

/**
 * A copy, because a USB stick may be removed, or its files may change, between check and use. @throws QcError download-…
 */
export async function copyIn(
  local: LocalFile,
  folder: string,
  deps: Pick<DownloadDeps, 'storageDirectory' | 'maxBytes' | 'minFreeBytes' | 'signal' | 'onBytes'>,
): Promise<Downloaded> {
  const { signal, onBytes } = deps;
  const { size } = await statOf(local.path);
  if (size > deps.maxBytes)
    throw new QcError(
      'download-too-large',
      `${local.path} is larger than ${Math.round(deps.maxBytes / 1e6)} MB`,
    );
  await requireSpace(folder, size, deps.minFreeBytes);
  const part = partOf(folder, local.name, local.address);
  try {
    const handle = await part.begin({ address: local.address, validator: null, total: size, checks: [] });
    let done = 0;
    await pipeline(
      createReadStream(local.path, { highWaterMark: 1 << 20 }),
      async function* counted(chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          done += chunk.length;
          onBytes(done, size);
          yield chunk;
        }
      },
      handle.createWriteStream({ flush: true }),
      { signal },
    );
    const verified = await verifyFile(part.file, local, [], deps.storageDirectory);
    if (verified.failed) throw verified.failed;
    return await finish(local, part, verified);
  } catch (error) {
    await part.discard();
    throw error;
  }
}

/** The files of the base in a file or folder. @throws QcError weights-missing, hub-not-found */
export async function broughtFiles(
  from: string,
  source: Source,
  planned: Omit<LocalFile, 'path'> | undefined,
): Promise<LocalFile[]> {
  const facts = await statOf(from);
  if (source.hub !== 'huggingface') {
    const name = planned?.name ?? basename(from);
    const path = facts.isDirectory() ? join(from, name) : from;
    if (!(await statOf(path)).isFile()) throw missing(path, 'it is not a file');
    return [{ checks: [], address: '', ...planned, name: basename(path), path }];
  }
  const { repository, revision } = source;
  const folder = facts.isDirectory() ? from : dirname(from);
  const asked = facts.isDirectory() ? source.file && basename(source.file) : basename(from);
  const names = chooseFiles(await readdir(folder), asked, folder);
  const commit = revision ?? 'main';
  return names.map((name) => ({
    path: join(folder, name),
    name,
    address: addressOf(repository, commit, name),
    checks: [],
  }));
}

function statOf(path: string): Promise<Stats> {
  return stat(path).catch((cause: Error) => {
    throw missing(path, cause.message);
  });
}

const missing = (path: string, why: string) => new QcError('weights-missing', `cannot read ${path}: ${why}`);
