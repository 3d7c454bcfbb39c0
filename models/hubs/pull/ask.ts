/** A question to the API of a hub, answered in JSON. */
import type { z } from 'zod';
import { check } from '../../../config/check.ts';
import { QcError } from '../../../config/errors.ts';
import { type Client, type HubRequest, shownUrl } from './client.ts';
import { asTransient, requireStatus, Transient } from './failures.ts';
import { type PauseDeps, pause } from './retries.ts';

export interface AskDeps extends PauseDeps {
  readonly client: Client;
}

const maxBytes = 8e6;

/** @throws QcError hub-… */
export async function ask<T>(request: HubRequest, schema: z.ZodType<T>, deps: AskDeps): Promise<T> {
  const place = shownUrl(request.url);
  for (let failures = 1; ; failures++) {
    try {
      const read = check(schema, JSON.parse(await textOf(request, deps)));
      if (read.success) return read.data as T;
      throw new QcError('hub-refused', `${place} does not answer as expected`);
    } catch (error) {
      deps.signal.throwIfAborted();
      if (error instanceof SyntaxError)
        throw new QcError('hub-refused', `${place} does not answer with JSON`);
      const failure = asTransient(error, place);
      if (!(failure instanceof Transient)) throw failure;
      await pause(failure, failures, deps);
    }
  }
}

async function textOf(request: HubRequest, { client, signal }: AskDeps): Promise<string> {
  const answer = await client.send(request, signal);
  requireStatus(answer, [200]);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      if (bytes > maxBytes)
        throw new QcError('hub-refused', `${shownUrl(answer.url)} sends an answer without end`);
      chunks.push(chunk);
    }
  } finally {
    answer.body.destroy();
  }
  return Buffer.concat(chunks).toString('utf8');
}
