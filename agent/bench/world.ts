/** Everything outside of the agent, simulated in a separate process: cameras that show one clip, and a broker. */
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
  /** Addresses of the cameras, on 127.0.0.1. */
  readonly urls: readonly string[];
  readonly broker: string;
  /** The region to inspect. */
  readonly region: Region;
}

export interface World extends WorldFacts, AsyncDisposable {
  readonly pid: number;
}

/** Opens once the clip is ready. After close the process has exited. */
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
    throw new Error(`the simulated cameras did not start: ${answer.reason}`);
  }
  return { ...answer, pid: child.pid!, [Symbol.asyncDispose]: close };
}
