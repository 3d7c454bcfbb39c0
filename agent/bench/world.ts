/** What is outside of the agent, played by a process of its own: cameras that show one drawn clip, and a broker. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { childEnvironment } from '../../config/child-environment.ts';
import type { Region } from '../../models/image.ts';
import type { ClipOptions } from './clip.ts';

export interface WorldOptions extends ClipOptions {
  readonly cameras: number;
}

export type FromWorld =
  | { readonly kind: 'failed'; readonly reason: string }
  | ({ readonly kind: 'opened' } & WorldFacts);

interface WorldFacts {
  /** Of each camera, on 127.0.0.1. */
  readonly urls: readonly string[];
  readonly broker: string;
  /** What to inspect in their images. */
  readonly region: Region;
}

export interface World extends WorldFacts, AsyncDisposable {
  readonly pid: number;
}

/** Opens once the clip is drawn. Closed means the process is gone. */
export async function openWorld(options: WorldOptions): Promise<World> {
  const child = fork(new URL('./world-process.js', import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
    env: childEnvironment(),
  });
  const exited = once(child, 'exit');
  const close = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  child.send(options);
  const ended = exited.then((): FromWorld => ({ kind: 'failed', reason: 'its process ended' }));
  const answer = await Promise.race([once(child, 'message').then(([said]) => said as FromWorld), ended]);
  if (answer.kind === 'failed') {
    await close();
    throw new Error(`the drawn cameras did not start: ${answer.reason}`);
  }
  return { ...answer, pid: child.pid!, [Symbol.asyncDispose]: close };
}
