/** Watches how much room the disk has, so that evidence never takes what results, labels and heads need. */
import { statfs } from 'node:fs/promises';

export interface Room extends Disposable {
  /** What the disk has free for this user, bytes; undefined before it was looked at. */
  readonly freeBytes: number | undefined;
  /** Whether there is less than must stay free. */
  readonly isLow: boolean;
  /** Looks again. @param wanted bytes that are about to be written */
  look(wanted?: number): Promise<void>;
}

export interface RoomOptions {
  /** Somewhere on the disk; it must exist. */
  readonly directory: string;
  /** What must stay free, bytes. */
  readonly leastBytes: number;
  readonly everyMs: number;
  /** Told when it has become low, or is so no more. */
  readonly onChange: () => void;
}

/** So much more must be free before it counts as enough again: at the very edge it would go to and fro. */
const returnFactor = 1.05;

export function createRoom({ directory, leastBytes, everyMs, onChange }: RoomOptions): Room {
  let freeBytes: number | undefined;
  let isLow = false;

  const room: Room = {
    get freeBytes() {
      return freeBytes;
    },
    get isLow() {
      return isLow;
    },
    async look(wanted = 0) {
      // A disk that does not answer keeps what it said last; writing to it says what is wrong.
      const facts = await statfs(directory).catch(() => undefined);
      if (!facts) return;
      freeBytes = facts.bavail * facts.bsize;
      const least = isLow ? leastBytes * returnFactor : leastBytes;
      const nowLow = freeBytes - wanted < least;
      if (nowLow === isLow) return;
      isLow = nowLow;
      onChange();
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
  const timer = setInterval(() => void room.look(), everyMs);
  timer.unref();
  return room;
}
