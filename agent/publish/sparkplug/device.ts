import { z } from 'zod';
import type { Result } from '../messages.ts';
import type { Outbox, OutboxStore } from '../outbox/outbox.ts';

/** One camera: its pending messages and its newest result. */
export interface Device {
  readonly camera: string;
  readonly outbox: Outbox<Result>;
  /** The result in the next birth; undefined until the first result since the start. */
  newest: Result | undefined;
}

// Requires only nested fields that the encoding reads: an earlier or later version may have stored it.
const storedResult = z.looseObject({
  capturedAt: z.iso.datetime(),
  reasons: z.array(z.string()),
  votes: z.looseObject({}),
  model: z.looseObject({}),
  timingsMs: z.looseObject({}),
}) as unknown as z.ZodType<Result>;

/** Each camera has its own queue, so that a camera that is down does not block the others. */
export function openDevice(camera: string, store: OutboxStore): Device {
  return { camera, outbox: store.queue(`sparkplug-${camera}`, storedResult), newest: undefined };
}
