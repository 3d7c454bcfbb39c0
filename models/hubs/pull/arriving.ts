/**
 * The body of an answer, with listeners from the beginning: a broken stream drops its buffer, and reports its error only to
 * existing listeners.
 */
import type { Readable } from 'node:stream';

export interface Arriving extends AsyncIterable<Buffer> {
  /** Ends the connection if the body has not ended. */
  destroy(): void;
}

/** Maximum size of the buffer: above it, the sender has to wait. */
const maxBuffered = 1 << 20;

export function arriving(body: Readable): Arriving {
  const queue: Buffer[] = [];
  let buffered = 0;
  let end: { readonly error?: unknown } | undefined;
  let wake: () => void = () => undefined;
  const finish = (reason: { readonly error?: unknown }) => {
    end ??= reason;
    wake();
  };
  body.on('error', (error) => finish({ error }));
  body.on('end', () => finish({}));
  body.on('close', () => finish({ error: new Error('the connection was closed') }));
  body.on('data', (chunk: Buffer) => {
    queue.push(chunk);
    buffered += chunk.length;
    if (buffered > maxBuffered) body.pause();
    wake();
  });

  /** @throws the error of the stream, after its last chunk */
  async function* chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = queue.shift();
      if (chunk) {
        buffered -= chunk.length;
        if (buffered <= maxBuffered && body.isPaused()) body.resume();
        yield chunk;
        continue;
      }
      if (end) {
        if ('error' in end) throw end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return { [Symbol.asyncIterator]: chunks, destroy: () => void body.destroy() };
}
