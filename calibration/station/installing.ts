/** Installs bases while the line runs: pulled from a hub, or uploaded. One at a time, in a child process. */
import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { QcError } from '../../config/errors.ts';
import { freeName } from '../../models/hubs/install.ts';
import { checkPull } from '../../models/hubs/pull/pull.ts';
import { receive, sizeOf } from '../install/upload.ts';
import type { ImportAsked, InstallingView, PullAsked } from '../install/views.ts';
import type { JobConfig } from '../jobs/messages.ts';
import { createJobDesk, type JobTools } from './job-desk.ts';
import type { Log } from './log.ts';

export interface Installing extends AsyncDisposable {
  readonly view: InstallingView;
  /** Starts and returns immediately. @throws QcError download-busy, hub-address, base-exists, licence-refused */
  pull(request: PullAsked, by: string): Promise<void>;
  /**
   * Returns when all bytes are on the disk; the import continues.
   * @param bytes announced size; undefined: unknown
   * @throws QcError download-busy, download-too-large, disk-too-small, base-exists
   */
  upload(body: Readable, bytes: number | undefined, request: ImportAsked, by: string): Promise<void>;
  /** Does nothing if nothing is being installed. */
  cancel(): void;
}

const maxNotices = 20;

export function createInstalling({ storage }: Pick<JobConfig, 'storage'>, log: Log): Installing {
  const desk = createJobDesk(log);
  const storageDirectory = storage.directory;
  const minFreeBytes = storage.minFreeMb * 1e6;
  let installed: string | null = null;
  let notices: readonly string[] = [];

  function requireFree(): void {
    if (desk.isRunning)
      throw new QcError('download-busy', `${desk.view.by ?? 'someone'} is installing a base already`);
  }

  /** @param work returns the name of the base */
  function run(by: string, what: string, work: (tools: JobTools) => Promise<string>): Promise<void> {
    installed = null;
    notices = [];
    return desk.run(by, what, async (tools) => {
      installed = await work(tools);
      log.info(`${what}: ${installed} is installed`);
    });
  }

  const onNotice = (text: string) => {
    log.warn(text);
    notices = [...notices, text].slice(-maxNotices);
  };

  return {
    get view() {
      return { ...desk.view, name: installed, notices: [...notices] };
    },
    async pull(asked, by) {
      requireFree();
      const { width: _width, height: _height, ...rest } = asked;
      const request = { ...rest, size: sizeOf(asked), storageDirectory, minFreeBytes };
      await checkPull(request);
      // Another request may have begun meanwhile.
      requireFree();
      void run(by, `pulling ${asked.address}`, ({ worker, signal, onProgress }) =>
        worker.run('pull', { request }, { signal, onProgress, onNotice }),
      );
    },
    async upload(body, bytes, asked, by) {
      requireFree();
      if (asked.name !== undefined) await freeName(storageDirectory, asked.name);
      requireFree();
      await new Promise<void>((resolve, reject) => {
        void run(by, `importing ${asked.file}`, async ({ worker, signal, onProgress }) => {
          const onBytes = (done: number) => onProgress('receiving', done, bytes ?? done);
          const folder = await receive(body, asked.file, bytes, {
            storageDirectory,
            minFreeBytes,
            signal,
            onBytes,
          }).catch((error) => {
            reject(error);
            throw error;
          });
          resolve();
          onProgress('importing', 0, 1);
          try {
            return await worker.run(
              'import',
              { folder, storageDirectory, minFreeBytes, asked },
              { signal, onNotice },
            );
          } finally {
            // Also if the process was killed.
            await rm(folder, { recursive: true, force: true });
          }
        });
      });
    },
    cancel: () => desk.cancel(),
    [Symbol.asyncDispose]: () => desk[Symbol.asyncDispose](),
  };
}
