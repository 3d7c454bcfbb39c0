/** Watches the free space of the disk, so that evidence never takes space that results, labels and heads need. */
import { statfs } from 'node:fs/promises';

export interface FreeSpace extends Disposable {
  /** Free space for this user, bytes; undefined before the first check. */
  readonly freeBytes: number | undefined;
  /** Whether less than the minimum is free. */
  readonly isLow: boolean;
  /** Checks again. @param wanted bytes that are about to be written */
  look(wanted?: number): Promise<void>;
}

export interface FreeSpaceOptions {
  /** Any existing path on the disk. */
  readonly directory: string;
  /** Space that must stay free, bytes. */
  readonly minBytes: number;
  readonly everyMs: number;
  /** Called when the space becomes low, or is no longer low. */
  readonly onChange: () => void;
}

/** Hysteresis: this much more must be free before it is no longer low, bytes. */
const returnFactor = 1.05;

export function createFreeSpace({ directory, minBytes, everyMs, onChange }: FreeSpaceOptions): FreeSpace {
  let freeBytes: number | undefined;
  let isLow = false;

  const freeSpace: FreeSpace = {
    get freeBytes() {
      return freeBytes;
    },
    get isLow() {
      return isLow;
    },
    async look(wanted = 0) {
      // If the disk does not respond, the last value stays; the next write reports the error.
      const facts = await statfs(directory).catch(() => undefined);
      if (!facts) return;
      freeBytes = facts.bavail * facts.bsize;
      const least = isLow ? minBytes * returnFactor : minBytes;
      const nowLow = freeBytes - wanted < least;
      if (nowLow === isLow) return;
      isLow = nowLow;
      onChange();
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
  const timer = setInterval(() => void freeSpace.look(), everyMs);
  timer.unref();
  return freeSpace;
}
