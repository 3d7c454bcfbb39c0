/** Reads files of lines in chunks with a maximum line length, because a damaged file may contain a line of any length. */
import { createReadStream } from 'node:fs';

/** Maximum line length, bytes. The longest valid line lists a hundred thousand frames. */
export const maxLineBytes = 16e6;

export interface Lines {
  /** Complete lines in order; undefined for one that is too long. */
  readonly lines: (Buffer | undefined)[];
  /** Bytes up to the end of the last complete line. */
  readonly length: number;
  /** Size of the file, bytes. */
  readonly size: number;
}

/** A missing file counts as empty. @throws file system errors */
export async function readLines(file: string, maxBytes = maxLineBytes): Promise<Lines> {
  const splitter = createSplitter(maxBytes);
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }))
      splitter.add(chunk as Buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return splitter.result();
}

/** As `readLines`, for data in memory. */
export function splitLines(bytes: Buffer, maxBytes = maxLineBytes): Lines {
  const splitter = createSplitter(maxBytes);
  splitter.add(bytes);
  return splitter.result();
}

function createSplitter(maxBytes: number): { add(chunk: Buffer): void; result(): Lines } {
  const lines: (Buffer | undefined)[] = [];
  let pieces: Buffer[] = [];
  /** Length of the current line so far. */
  let bytes = 0;
  let length = 0;
  const keep = (piece: Buffer) => {
    bytes += piece.length;
    if (bytes <= maxBytes) pieces.push(piece);
    else pieces = [];
  };
  return {
    add(chunk) {
      let from = 0;
      for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
        keep(chunk.subarray(from, end));
        lines.push(bytes <= maxBytes ? Buffer.concat(pieces) : undefined);
        length += bytes + 1;
        [pieces, bytes, from] = [[], 0, end + 1];
      }
      keep(chunk.subarray(from));
    },
    result: () => ({ lines, length, size: length + bytes }),
  };
}
