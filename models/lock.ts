/** One owner of a folder at a time, whichever process it is. */
import { readFileSync } from 'node:fs';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { kill, pid } from 'node:process';
import { type ErrorCode, QcError } from '../config/errors.ts';

/** Held by this process. */
const held = new Set<string>();

/** What whoever comes second is told. */
export interface Busy {
  readonly code: ErrorCode;
  /** What the holder does: "is writing to the dataset". */
  readonly does: string;
}

/**
 * Takes the lock file until it is disposed of. One whose process is gone is taken over.
 * @throws QcError of the given code where another one holds it
 */
export async function takeLock(path: string, { code, does }: Busy): Promise<AsyncDisposable> {
  const file = resolve(path);
  for (;;) {
    if (held.has(file)) throw new QcError(code, `this process (${pid}) ${does} already (${file})`);
    try {
      held.add(file);
      // Linked into place, so that nobody ever sees it empty.
      const draft = `${file}.${pid}`;
      await writeFile(draft, `${pid} ${startOf(pid)}\n`);
      await link(draft, file).finally(() => rm(draft, { force: true }));
      return {
        async [Symbol.asyncDispose]() {
          await rm(file, { force: true });
          held.delete(file);
        },
      };
    } catch (error) {
      held.delete(file);
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = await ownerOf(file);
    // Given back meanwhile: there is nothing to take over, and what lies there by now is somebody else's.
    if (owner === undefined) continue;
    if (isRunning(owner)) throw new QcError(code, `process ${owner.number} ${does} (${file})`);
    await takeOver(file, owner, { code, does });
  }
}

/**
 * Removes what a process that is gone left behind. One process at a time, and only that owner's lock: whoever comes
 * later would remove the lock of whoever came first.
 */
async function takeOver(file: string, gone: Owner, busy: Busy): Promise<void> {
  await using _ = await takeLock(`${file}.${gone.number || 'nobody'}-${gone.start}`, busy);
  if ((await ownerOf(file))?.text === gone.text) await rm(file, { force: true });
}

/** Who a lock file names. */
interface Owner {
  readonly text: string;
  /** 0 where it names none. */
  readonly number: number;
  /** When the process started; empty where that could not be read. */
  readonly start: string;
}

/** Undefined where there is no lock. */
async function ownerOf(file: string): Promise<Owner | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const [, number = '0', start = ''] = /^(\d+) ?(\d*)\s*$/.exec(text) ?? [];
  return { text, number: Number(number), start };
}

/** A process of that number that started at that time: numbers come again, above all in containers. */
function isRunning({ number: owner, start }: Owner): boolean {
  // A lock of our own number that we do not hold was left by an earlier process.
  if (!(owner > 0) || owner === pid) return false;
  try {
    kill(owner, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return start === '' || startOf(owner) === start;
}

/** When a process started, clock ticks since the machine did (proc(5), field 22); empty where that cannot be read. */
function startOf(owner: number): string {
  try {
    const stat = readFileSync(`/proc/${owner}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
