/** Measures the memory of a base: the growth of a process that loads it and judges images. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../../config/child-environment.ts';
import type { ModelConfig } from '../../config/schema.ts';
import type { BaseFigures } from './comparison.ts';
import type { Contender } from './contenders.ts';

/** Request to the child. */
export interface MemoryRequest {
  readonly model: ModelConfig;
  readonly storageDirectory: string;
  readonly base: string;
  readonly precision: Contender['manifest']['precision'];
}

/** MB; null if it could not be measured. */
export type MemoryAnswer = number | null;

const maxMs = 120_000;

/** Null if the base cannot be opened in a separate process. */
export async function memoryOf(
  { reference, manifest }: Contender,
  hasInt8: boolean,
  request: Omit<MemoryRequest, 'base' | 'precision'>,
  signal: AbortSignal | undefined,
): Promise<BaseFigures['memory']> {
  const measure = (precision: MemoryRequest['precision']) =>
    inChild({ ...request, base: reference, precision }, signal);
  const float = await measure(manifest.precision);
  if (float === null) return null;
  return { float, int8: hasInt8 ? await measure('int8') : null };
}

async function inChild(request: MemoryRequest, signal: AbortSignal | undefined): Promise<MemoryAnswer> {
  signal?.throwIfAborted();
  const child: ChildProcess = fork(fileURLToPath(new URL('./memory-child.js', import.meta.url)), [], {
    execArgv: [],
    env: childEnvironment(),
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const kill = () => child.kill('SIGKILL');
  const limit = setTimeout(kill, maxMs);
  signal?.addEventListener('abort', kill, { once: true });
  const exited = once(child, 'exit').catch(() => undefined);
  try {
    child.send(request);
    const answer = await Promise.race([
      once(child, 'message').then(([value]: MemoryAnswer[]) => value ?? null),
      exited.then(() => null),
    ]);
    signal?.throwIfAborted();
    return answer;
  } finally {
    clearTimeout(limit);
    signal?.removeEventListener('abort', kill);
    if (child.connected) child.disconnect();
    kill();
    await exited;
  }
}
