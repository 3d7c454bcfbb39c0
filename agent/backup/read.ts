/** Opens an untrusted backup: everything is verified. */

import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { check } from '../../config/check.ts';
import { QcError } from '../../config/errors.ts';
import { requireLayout } from '../../models/disk/layout.ts';
import { openZip } from '../../models/disk/zip.ts';
import { type BackupFile, type BackupManifest, manifestName, manifestSchema, maxFiles } from './contents.ts';

export interface Backup extends AsyncDisposable {
  readonly manifest: BackupManifest;
  /** Streams one file. @throws QcError backup-damaged if it differs from the manifest */
  read(file: BackupFile, take: (chunk: Buffer) => Promise<void>): Promise<void>;
}

/** Maximum size of a manifest, bytes; that of the largest dataset is far smaller. */
const largestManifest = 500_000_000;

/** @throws QcError backup-unreadable, backup-damaged, data-newer */
export async function openBackup(path: string): Promise<Backup> {
  const damaged = (what: string, cause?: unknown) =>
    new QcError('backup-damaged', `${path}: ${what}`, { cause });
  const zip = await openZip(path, maxFiles).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'EACCES' || cause.code === 'EISDIR') {
      throw new QcError('backup-unreadable', `cannot read ${path}: ${cause.message}`, { cause });
    }
    throw damaged(cause.message, cause);
  });
  try {
    const size = zip.sizes.get(manifestName);
    if (size === undefined) throw new QcError('backup-unreadable', `${path} contains no ${manifestName}`);
    if (size > largestManifest) throw damaged(`its ${manifestName} is too large`);
    const manifest = await readManifest(await zip.open(manifestName).then(buffer), damaged);
    requireLayout(manifest.layout, `${path} was written by qc-edge-agent ${manifest.agent}`);
    for (const { path: name, bytes } of manifest.files) {
      const found = zip.sizes.get(name);
      if (found === undefined) throw damaged(`${name} is missing`);
      if (found !== bytes) throw damaged(`${name} has ${found} bytes, ${bytes} were saved`);
    }
    return {
      manifest,
      async read({ path: name, bytes, sha256 }, take) {
        const hash = createHash('sha256');
        let length = 0;
        try {
          for await (const chunk of await zip.open(name)) {
            hash.update(chunk);
            length += chunk.length;
            await take(chunk);
          }
        } catch (cause) {
          // An error while writing to disk is not damage of the archive.
          if ((cause as NodeJS.ErrnoException).syscall !== undefined) throw cause;
          throw damaged(`${name}: ${(cause as Error).message}`, cause);
        }
        if (length !== bytes || hash.digest('hex') !== sha256)
          throw damaged(`${name} differs from what was saved`);
      },
      [Symbol.asyncDispose]: () => zip[Symbol.asyncDispose](),
    };
  } catch (error) {
    await zip[Symbol.asyncDispose]();
    throw error instanceof QcError ? error : damaged((error as Error).message, error);
  }
}

async function readManifest(
  bytes: Buffer,
  damaged: (what: string, cause?: unknown) => QcError,
): Promise<BackupManifest> {
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw damaged(`its ${manifestName} is not JSON`, cause);
  }
  const parsed = check(manifestSchema, content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw damaged(`its ${manifestName} is wrong: ${issue!.path.join('.')}: ${issue!.message}`);
}
