/** Tells when files have changed: looked at by name every moment, which also sees what mounts and renames do. */
import { stat } from 'node:fs/promises';

export interface WatchOptions {
  readonly everyMs?: number;
  /** Called once at a time; must not throw. */
  readonly onChange: () => Promise<void>;
}

/**
 * A change counts once the files have stood still between two looks: what is still being written is not read.
 * @param since what the files looked like when they were last read, from `stampOf`
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

/** What tells one state of the files from another. */
export async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = files.map((file) =>
    stat(file).then(
      ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
      ({ code }: NodeJS.ErrnoException) => code ?? 'gone',
    ),
  );
  return (await Promise.all(stamps)).join('\n');
}
