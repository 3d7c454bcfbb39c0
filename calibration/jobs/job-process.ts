/** Runs jobs in a child process. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../../config/child-environment.ts';
import { QcError } from '../../config/errors.ts';
import type { Answers, FromChild, JobKind, Jobs, ToChild } from './messages.ts';

export interface JobHooks {
  readonly onProgress?: (step: string, done: number, total: number) => void;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface JobProcess extends AsyncDisposable {
  /** One job at a time. @throws QcError of the job, `inference-stopped` if the process ended; the reason of the signal */
  run<Kind extends JobKind>(kind: Kind, job: Jobs[Kind], hooks?: JobHooks): Promise<Answers[Kind]>;
}

/** Time for a cancelled job to end before the process is killed, ms. */
const graceMs = 5_000;

/** Starts the process, which ends with the agent at the latest. */
export function openJobProcess(): JobProcess {
  const child: ChildProcess = fork(fileURLToPath(new URL('./child.js', import.meta.url)), [], {
    // Debugger and preload options of this process do not apply to the child.
    execArgv: [],
    env: childEnvironment(),
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.once('error', (error) => resolve(error.message));
  });
  const send = (message: ToChild) => {
    if (child.connected) child.send(message, () => undefined);
  };

  return {
    async run<Kind extends JobKind>(
      kind: Kind,
      job: Jobs[Kind],
      hooks: JobHooks = {},
    ): Promise<Answers[Kind]> {
      const { signal, onProgress, onNotice } = hooks;
      signal?.throwIfAborted();
      let kill: NodeJS.Timeout | undefined;
      const cancel = () => {
        send({ kind: 'cancel' });
        kill = setTimeout(() => child.kill('SIGKILL'), graceMs);
      };
      let take: (message: FromChild) => void = () => undefined;
      const answered = new Promise<Answers[Kind]>((resolve, reject) => {
        take = (message) => {
          if (message.kind === 'progress') onProgress?.(message.step, message.done, message.total);
          else if (message.kind === 'notice') onNotice?.(message.text);
          else if (message.kind === 'answer') resolve(message.answer as Answers[Kind]);
          else reject(new QcError(message.code, message.message, { remedy: message.remedy }));
        };
      });
      child.on('message', take);
      signal?.addEventListener('abort', cancel, { once: true });
      send({ kind, job } as ToChild);
      try {
        const died = exited.then((how) => {
          throw new QcError('inference-stopped', `the process for ${kind} ended (${how})`, {
            remedy: 'try again; if it happens again, check the available memory',
          });
        });
        return await Promise.race([answered, died]);
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        clearTimeout(kill);
        child.off('message', take);
        signal?.removeEventListener('abort', cancel);
      }
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      const kill = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(kill);
    },
  };
}
