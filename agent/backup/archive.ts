/** Writes the zip of a backup, hashing each file; it gets its final name only when it is complete. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { Transform } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { syncFile, syncFolder } from '../../models/disk/durable.ts';
import type { BackupFile } from './contents.ts';

export interface Archive extends AsyncDisposable {
  /** Undefined if the file no longer exists. */
  add(path: string, file: string): Promise<BackupFile | undefined>;
  addContent(path: string, content: Buffer): BackupFile;
  /** On disk under its final name when it resolves. Without this call nothing is kept. */
  finish(): Promise<void>;
}

const packed = new Set(['.png', '.onnx']);
const compress = (path: string) => !packed.has(extname(path));

export function createArchive(target: string): Archive {
  const draft = `${target}.draft`;
  const zip = new ZipFile();
  const written = pipeline(zip.outputStream, createWriteStream(draft, { mode: 0o640 }));
  const fault = new Promise<never>((_, reject) => {
    zip.on('error', reject);
    written.catch(reject);
  });
  fault.catch(() => undefined);

  async function pass(path: string, handle: FileHandle): Promise<BackupFile> {
    const hash = createHash('sha256');
    let bytes = 0;
    const through = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        bytes += chunk.length;
        done(null, chunk);
      },
    });
    const read = pipeline(createReadStream('', { fd: handle }), through);
    zip.addReadStream(through, path, { compress: compress(path) });
    await Promise.race([Promise.all([read, finished(through)]), fault]);
    return { path, bytes, sha256: hash.digest('hex') };
  }

  return {
    async add(path, file) {
      const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      return handle && pass(path, handle);
    },
    addContent(path, content) {
      zip.addBuffer(content, path, { compress: compress(path) });
      return { path, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
    },
    async finish() {
      zip.end();
      await Promise.race([written, fault]);
      await syncFile(draft);
      await rename(draft, target);
      await syncFolder(dirname(target));
    },
    async [Symbol.asyncDispose]() {
      (zip.outputStream as unknown as { destroy(): void }).destroy();
      await written.catch(() => undefined);
      await rm(draft, { force: true });
    },
  };
}
