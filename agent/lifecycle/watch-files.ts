/** Reports changes of files. Polls them by name, which also detects changes by mounts and renames. */
import { stat } from 'node:fs/promises';

export interface WatchOptions {
  readonly everyMs?: number;
  /** Called once at a time; must not throw. */
  readonly onChange: () => Promise<void>;
}

/**
 * A change is reported once the files are the same in two polls: a file that is still being written is not read.
 * @param since state of the files when they were last read, from `stampOf`
 */
export function watchFiles(files: readonly string[], since: string, options: WatchOptions): AsyncDisposable {
  const { everyMs = 500, onChange } = options;
  let known = since;
  let seen = since;
  let looking: Promise<void> | undefined;
  const look = async () => {
    const now = await stampOf(files);
    const isSettled = now === seen;
    seen = now;
    if (!isSettled || now === known) return;
    known = now;
    await onChange();
  };
  const timer = setInterval(() => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  }, everyMs);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await looking;
    },
  };
}

/** Identifies a state of the files. */
export async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = files.map((file) =>
    stat(file).then(
      ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
      ({ code }: NodeJS.ErrnoException) => code ?? 'gone',
    ),
  );
  return (await Promise.all(stamps)).join('\n');
}
