/** One attempt to download a file, or the rest of it. */
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { QcError } from '../../../config/errors.ts';
import { type Check, checksInHeaders } from './checks.ts';
import { type Answer, type Client, shownUrl } from './client.ts';
import { requireStatus, Transient } from './failures.ts';
import type { Part, PartOrigin } from './part.ts';
import { requireSpace } from './space.ts';

export interface RemoteFile {
  readonly url: URL;
  /** In the folder of the download. */
  readonly name: string;
  /** Identifies it in records: with its pin, without a query. */
  readonly address: string;
  readonly checks: readonly Check[];
  /** Exact size, if it is known. */
  readonly bytes?: number | undefined;
  readonly authorization?: string | undefined;
}

export interface AttemptDeps {
  readonly client: Client;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  /** Free space that must remain on the disk. */
  readonly minFreeBytes: number;
  /** Bytes of the file that are on the disk, and its size if known. */
  readonly onBytes: (done: number, total: number | undefined) => void;
}

/**
 * Continues the part, or begins it. When it returns, all bytes are on the disk, unchecked.
 * @throws Transient, QcError, errors of the network and of the file system
 */
export async function attempt(remote: RemoteFile, part: Part, deps: AttemptDeps): Promise<void> {
  const { client, signal } = deps;
  const known = await part.origin();
  const offset = known && canResume(known, remote) ? await part.bytes() : 0;
  if (known && offset > 0 && offset === known.total) return;
  const answer = await client.send(
    {
      url: remote.url,
      headers: offset > 0 ? rangeFrom(offset, known?.validator ?? null) : {},
      authorization: remote.authorization,
    },
    signal,
  );
  if (offset > 0 && answer.status === 416) await startOver(part, answer, 'it has no such range');
  requireStatus(answer, [200, 206]);
  try {
    const coding = answer.headers['content-encoding'] ?? 'identity';
    if (coding !== 'identity')
      throw new QcError(
        'hub-refused',
        `${shownUrl(answer.url)} is sent with the encoding ${coding}, so its hash cannot be checked`,
      );
    const origin = originOf(answer, remote, offset);
    if (answer.status === 206) await requireRest(part, answer, offset, known, origin);
    // Also if a range was asked for: the file has changed, or the server knows no ranges.
    const start = answer.status === 206 ? offset : 0;
    const total = answer.status === 206 ? (known?.total ?? origin.total) : origin.total;
    requireSize(remote, total, deps.maxBytes);
    await requireSpace(dirname(part.file), (total ?? remote.bytes ?? 0) - start, deps.minFreeBytes);
    const handle = start > 0 ? await part.resume() : await part.begin(origin);
    try {
      await receive(answer, handle, { ...deps, remote, start, total: total ?? undefined });
      await handle.sync();
    } finally {
      await handle.close();
    }
    const bytes = await part.bytes();
    if (total !== null && bytes < total)
      throw new Transient(`${shownUrl(answer.url)} ended after ${bytes} of ${total} bytes`);
  } finally {
    answer.body.destroy();
  }
}

/** Without a tag or a hash, bytes of two different files could be joined unnoticed. */
function canResume(known: PartOrigin, remote: RemoteFile): boolean {
  return known.validator !== null || known.checks.length > 0 || remote.checks.length > 0;
}

const rangeFrom = (offset: number, validator: string | null) => ({
  range: `bytes=${offset}-`,
  ...(validator !== null && { 'if-range': validator }),
});

function originOf(answer: Answer, remote: RemoteFile, offset: number): PartOrigin {
  const { headers, before } = answer;
  const tag = headers.etag;
  // RFC 9110, section 13.1.5: a weak tag cannot be used for ranges.
  const strong = tag !== undefined && /^"[^"]*"$/.test(tag) ? tag : undefined;
  const length = /^\d{1,15}$/.exec(headers['content-length'] ?? '')?.[0];
  return {
    address: remote.address,
    validator: strong ?? (tag === undefined ? headers['last-modified'] : undefined) ?? null,
    total: length === undefined ? null : Number(length) + (answer.status === 206 ? offset : 0),
    checks: [...before, headers].flatMap(checksInHeaders),
  };
}

async function requireRest(
  part: Part,
  answer: Answer,
  offset: number,
  known: PartOrigin | undefined,
  now: PartOrigin,
): Promise<void> {
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.headers['content-range'] ?? '') ?? [];
  const isRest = offset > 0 && Number(from) === offset;
  const isSameSize = known?.total == null || total === '*' || Number(total) === known.total;
  const isSameTag = known?.validator == null || now.validator === null || known.validator === now.validator;
  if (!isRest || !isSameSize || !isSameTag) await startOver(part, answer, 'it sends a part of another file');
}

async function startOver(part: Part, answer: Answer, why: string): Promise<never> {
  answer.body.destroy();
  await part.discard();
  throw new Transient(`${shownUrl(answer.url)}: ${why}; the download starts again`, { waitMs: 0 });
}

function requireSize(remote: RemoteFile, total: number | null, maxBytes: number): void {
  const { bytes, name } = remote;
  if (total !== null && bytes !== undefined && total !== bytes)
    throw new QcError('download-wrong', `${name} has ${total} bytes, but ${bytes} were announced`);
  if ((total ?? bytes ?? 0) > maxBytes) throw tooLarge(name, maxBytes);
}

const tooLarge = (name: string, maxBytes: number) =>
  new QcError('download-too-large', `${name} is larger than ${Math.round(maxBytes / 1e6)} MB`);

interface Receiving extends AttemptDeps {
  readonly remote: RemoteFile;
  readonly start: number;
  readonly total: number | undefined;
}

async function receive(answer: Answer, handle: FileHandle, deps: Receiving): Promise<void> {
  const { remote, start, total, maxBytes, onBytes } = deps;
  let done = start;
  const limit = total ?? remote.bytes ?? maxBytes;
  onBytes(done, total);
  for await (const chunk of answer.body) {
    if (done === 0) requireWeights(chunk, remote.name);
    if (done + chunk.length > limit)
      throw limit === maxBytes ? tooLarge(remote.name, maxBytes) : longer(remote.name, limit);
    await handle.appendFile(chunk);
    done += chunk.length;
    onBytes(done, total);
  }
}

const longer = (name: string, bytes: number) =>
  new QcError('download-wrong', `${name} is longer than the ${bytes} bytes that were announced`);

/** Log-in pages and pointers are small and well-formed, so they would only fail when the weights are read. */
function requireWeights(start: Buffer, name: string): void {
  const text = start.subarray(0, 512).toString('latin1');
  if (text.startsWith('version https://git-lfs'))
    throw new QcError('download-wrong', `${name} only points to the file (Git LFS)`, {
      remedy: 'use the address of the file itself: on Hugging Face it contains /resolve/ instead of /raw/',
    });
  if (/^\s*<(?:!doctype|html)/i.test(text))
    throw new QcError('download-wrong', `a web page was sent instead of ${name}`, {
      remedy: 'the address needs a log-in, has moved, or a proxy shows a page: open it in a browser',
    });
}
