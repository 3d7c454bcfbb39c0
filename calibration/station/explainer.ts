/** Why a part was judged so, from a process that is kept while people ask. */

import type { Image } from '../../models/image.ts';
import { type JobProcess, openJobProcess } from '../jobs/job-process.ts';
import type { JobConfig } from '../jobs/messages.ts';

export interface Explainer extends AsyncDisposable {
  /** PNG. @throws QcError what `explain` throws */
  explain(image: Image, version: string, label: string | undefined): Promise<Buffer>;
}

/** The process is kept so long after the last question, ms: opening the base takes longer than the answer. */
const keptMs = 60_000;

export function createExplainer(config: JobConfig): Explainer {
  let worker: JobProcess | undefined;
  let end: NodeJS.Timeout | undefined;
  /** One question after the other. */
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
            // The next question gets a new process.
            if ((error as { code?: string }).code === 'inference-stopped') await close();
            throw error;
          } finally {
            if (worker) end = setTimeout(() => void close(), keptMs);
          }
        });
      last = answer;
      return Buffer.from(await answer);
    },
    [Symbol.asyncDispose]: close,
  };
}
