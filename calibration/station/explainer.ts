/** Computes heat maps in a child process that is kept open between requests. */

import type { Image } from '../../models/image.ts';
import { type JobProcess, openJobProcess } from '../jobs/job-process.ts';
import type { JobConfig } from '../jobs/messages.ts';

export interface Explainer extends AsyncDisposable {
  /** PNG. @throws QcError what `explain` throws */
  explain(image: Image, version: string, label: string | undefined): Promise<Buffer>;
}

/** How long the process stays open after the last request, ms: opening the base takes longer than a heat map. */
const idleMs = 60_000;

export function createExplainer(config: JobConfig): Explainer {
  let worker: JobProcess | undefined;
  let end: NodeJS.Timeout | undefined;
  /** One request at a time. */
  let last: Promise<unknown> = Promise.resolve();

  async function close(): Promise<void> {
    clearTimeout(end);
    const closing = worker;
    worker = undefined;
    await closing?.[Symbol.asyncDispose]();
  }

  return {
    async explain(image, version, label) {
      const answer = last
        .catch(() => undefined)
        .then(async () => {
          clearTimeout(end);
          worker ??= openJobProcess();
          try {
            return await worker.run('why', { config, image, version, label });
          } catch (error) {
            // The next request starts a new process.
            if ((error as { code?: string }).code === 'inference-stopped') await close();
            throw error;
          } finally {
            if (worker) end = setTimeout(() => void close(), idleMs);
          }
        });
      last = answer;
      return Buffer.from(await answer);
    },
    [Symbol.asyncDispose]: close,
  };
}
