/** Checks the bytes of a file against the catalogue, the hub or the first download. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

export type CheckKind =
  | 'sha256'
  | 'md5'
  /** The first digits of the sha256, as in file names of torchvision. */
  | 'sha256-start'
  /** Hugging Face's oid of files outside of Git LFS. */
  | 'git-sha1';

export interface Check {
  readonly kind: CheckKind;
  /** Hexadecimal, lower case. */
  readonly value: string;
  /** Its source: "the catalogue". */
  readonly by: string;
}

export interface Digests {
  readonly bytes: number;
  readonly sha256: string;
  readonly md5: string;
  readonly gitSha1: string;
}

export async function digestsOf(file: string): Promise<Digests> {
  const { size } = await stat(file);
  const hashes = { sha256: createHash('sha256'), md5: createHash('md5'), gitSha1: createHash('sha1') };
  hashes.gitSha1.update(`blob ${size}\0`);
  const all: Hash[] = Object.values(hashes);
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    for (const hash of all) hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  const [sha256, md5, gitSha1] = all.map((hash) => hash.digest('hex')) as [string, string, string];
  return { bytes, sha256, md5, gitSha1 };
}

export function passes({ kind, value }: Check, digests: Digests): boolean {
  if (kind === 'md5') return digests.md5 === value;
  if (kind === 'git-sha1') return digests.gitSha1 === value;
  return kind === 'sha256' ? digests.sha256 === value : digests.sha256.startsWith(value);
}

const names: Readonly<Record<CheckKind, string>> = {
  sha256: 'sha256',
  md5: 'md5',
  'sha256-start': 'start of the sha256',
  'git-sha1': 'git hash',
};

export const shownCheck = ({ kind, by }: Check) => `${names[kind]} according to ${by}`;

/** torchvision puts them before the ending: resnet50-11ad3fa6.pth. */
export function digitsIn(name: string): Check[] {
  const value = /-([0-9a-f]{8,64})\.[a-z0-9]+$/.exec(name)?.[1];
  return value === undefined ? [] : [{ kind: 'sha256-start', value, by: 'the file name' }];
}

/** Checks of the file from the headers of an answer. */
export function checksInHeaders(headers: Readonly<Record<string, string | undefined>>): Check[] {
  const found: Check[] = [];
  const linked = /^"?([0-9a-f]{64})"?$/.exec(headers['x-linked-etag'] ?? '')?.[1];
  if (linked !== undefined) found.push({ kind: 'sha256', value: linked, by: 'the hub' });
  const md5 = /(?:^|[\s,])md5=([A-Za-z0-9+/]{22}==)/.exec(headers['x-goog-hash'] ?? '')?.[1];
  if (md5 !== undefined)
    found.push({ kind: 'md5', value: Buffer.from(md5, 'base64').toString('hex'), by: 'the hub' });
  return found;
}
