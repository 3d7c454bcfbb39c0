/**
 * Makes the agent's wall clock jump and its disk slow or faulty, with a small library loaded before the C library (shim.c).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Calls on files that fail; only absolute paths are matched. */
export interface FileFault {
  /** For example `constants.errno.EIO` of node:os; negative: no error, but the call hangs for this number of seconds. */
  readonly errno: number;
  /** Part of the path of the files; default: every file. */
  readonly path?: string;
  /** Number of calls that fail; default: all until the fault is removed. */
  readonly times?: number;
  /**
   * Synchronous writes (O_DSYNC), other writes, fsync and fdatasync, and calls that open a file for writing or change
   * names; default: all of them.
   */
  readonly calls?: readonly (keyof typeof callBits)[];
}

const callBits = { synced: 1, plain: 2, sync: 4, name: 8 } as const;
const knobsBytes = 512;

export interface Shim extends AsyncDisposable {
  /** Environment variables for the agent. */
  readonly env: Readonly<Record<string, string>>;
  /** Sets the offset of its wall clock, ms. */
  clock(offsetMs: number): Promise<void>;
  /** Sets an additional time of every fsync, ms. */
  fsync(delayMs: number): Promise<void>;
  /** Number of delayed calls so far. */
  slowed(): Promise<number>;
  /** Makes calls on files fail until it is called with undefined. */
  fail(fault: FileFault | undefined): Promise<void>;
  /** Number of failed calls so far. */
  failed(): Promise<number>;
}

/** The reason why it cannot be used here; undefined if it can. */
export const shimMissing = whyMissing();

function whyMissing(): string | undefined {
  if (process.platform !== 'linux') return 'the library is made for Linux';
  return ['/usr/bin/cc', '/usr/bin/gcc'].some((path) => existsSync(path))
    ? undefined
    : 'no C compiler is installed here (gcc)';
}

let library: string | undefined;

/** Compiles it once per process; the folder is deleted when the process ends. */
function compiled(): string {
  if (library !== undefined) return library;
  const folder = mkdtempSync(join(tmpdir(), 'qc-shim-'));
  library = join(folder, 'shim.so');
  const source = fileURLToPath(new URL('../../../test/rigs/shim.c', import.meta.url));
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-o', library, source, '-ldl'], { stdio: 'pipe' });
  process.once('exit', () => execFileSync('rm', ['-r', folder]));
  return library;
}

export async function openShim(): Promise<Shim> {
  const folder = await mkdtemp(join(tmpdir(), 'qc-knobs-'));
  const knobs = join(folder, 'knobs');
  const handle = await open(knobs, 'w+');
  await handle.write(Buffer.alloc(knobsBytes));
  const turn = async (which: number, value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(Math.round(value)));
    await handle.write(bytes, 0, 8, which * 8);
  };
  const read = async (which: number) => {
    const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, which * 8);
    return Number(buffer.readBigInt64LE());
  };
  return {
    env: { LD_PRELOAD: compiled(), SHIM_KNOBS: knobs },
    clock: (offsetMs) => turn(0, offsetMs),
    fsync: (delayMs) => turn(1, delayMs),
    slowed: () => read(2),
    async fail(fault) {
      // No call fails while the other values change.
      await turn(3, 0);
      if (!fault) return;
      const { errno, path = '', times = -1, calls = Object.keys(callBits) as never } = fault;
      const text = Buffer.alloc(knobsBytes - 64);
      text.write(path);
      await handle.write(text, 0, text.length, 64);
      await turn(4, times);
      await turn(
        5,
        (calls as readonly (keyof typeof callBits)[]).reduce((bits, call) => bits | callBits[call], 0),
      );
      await turn(3, errno);
    },
    failed: () => read(6),
    async [Symbol.asyncDispose]() {
      await handle.close();
      await rm(folder, { recursive: true });
    },
  };
}
