/** Lets the agent's wall clock jump and its disk be slow, by a small library loaded before the C library (shim.c). */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Shim extends AsyncDisposable {
  /** For the agent that is to be disturbed. */
  readonly env: Readonly<Record<string, string>>;
  /** Its wall clock is so many ms off from now on. */
  clock(offsetMs: number): Promise<void>;
  /** Every fsync takes so many ms longer from now on. */
  fsync(delayMs: number): Promise<void>;
  /** How many took longer so far. */
  slowed(): Promise<number>;
}

/** Why there can be none here; undefined where there can. */
export const shimMissing = whyMissing();

function whyMissing(): string | undefined {
  if (process.platform !== 'linux') return 'the library is made for Linux';
  return ['/usr/bin/cc', '/usr/bin/gcc'].some((path) => existsSync(path))
    ? undefined
    : 'no C compiler is installed here (gcc)';
}

let library: string | undefined;

/** Compiled once a process; the folder goes when the process does. */
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
  await handle.write(Buffer.alloc(24));
  const turn = async (which: 0 | 1, value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(Math.round(value)));
    await handle.write(bytes, 0, 8, which * 8);
  };
  return {
    env: { LD_PRELOAD: compiled(), SHIM_KNOBS: knobs },
    clock: (offsetMs) => turn(0, offsetMs),
    fsync: (delayMs) => turn(1, delayMs),
    async slowed() {
      const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, 16);
      return Number(buffer.readBigInt64LE());
    },
    async [Symbol.asyncDispose]() {
      await handle.close();
      await rm(folder, { recursive: true });
    },
  };
}
