/** Files of lines, read in pieces: damage may leave a line of any length, which nobody wants in memory. */
import { createReadStream } from 'node:fs';

/** Longer lines are none of ours: the longest names a hundred thousand frames. Bytes. */
export const longestLine = 16e6;

export interface Lines {
  /** Lines that have their end, in order; undefined for one that is too long. */
  readonly lines: (Buffer | undefined)[];
  /** Bytes up to the end of the last of them; what follows was not written to its end. */
  readonly length: number;
  /** Bytes of the file. */
  readonly size: number;
}

/** @throws what the operating system says; a file that is not there is empty */
export async function readLines(file: string, longest = longestLine): Promise<Lines> {
  const splitter = createSplitter(longest);
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }))
      splitter.add(chunk as Buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return splitter.result();
}

/** As `readLines`, of what is in memory already. */
export function splitLines(bytes: Buffer, longest = longestLine): Lines {
  const splitter = createSplitter(longest);
  splitter.add(bytes);
  return splitter.result();
}

function createSplitter(longest: number): { add(chunk: Buffer): void; result(): Lines } {
  const lines: (Buffer | undefined)[] = [];
  let pieces: Buffer[] = [];
  /** Of the line that has begun. */
  let bytes = 0;
  let length = 0;
  const keep = (piece: Buffer) => {
    bytes += piece.length;
    if (bytes <= longest) pieces.push(piece);
    else pieces = [];
  };
  return {
    add(chunk) {
      let from = 0;
      for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
        keep(chunk.subarray(from, end));
        lines.push(bytes <= longest ? Buffer.concat(pieces) : undefined);
        length += bytes + 1;
        [pieces, bytes, from] = [[], 0, end + 1];
      }
      keep(chunk.subarray(from));
    },
    result: () => ({ lines, length, size: length + bytes }),
  };
}
