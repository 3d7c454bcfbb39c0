import { z } from 'zod';
import type { Result } from '../messages.ts';
import type { Outbox, OutboxStore } from '../outbox/outbox.ts';

/** One camera: what waits to be sent of it, and the newest result there is. */
export interface Device {
  readonly camera: string;
  readonly outbox: Outbox<Result>;
  /** What a birth says; undefined until the first result since the start. */
  newest: Result | undefined;
}

// Only what its encoding reads by more than one step: an earlier or a later version may have stored it.
const storedResult = z.looseObject({
  capturedAt: z.iso.datetime(),
  reasons: z.array(z.string()),
  votes: z.looseObject({}),
  model: z.looseObject({}),
  timingsMs: z.looseObject({}),
}) as unknown as z.ZodType<Result>;

/** A queue of its own for each camera: one that is away must not hold the others up. */
export function openDevice(camera: string, store: OutboxStore): Device {
  return { camera, outbox: store.queue(`sparkplug-${camera}`, storedResult), newest: undefined };
}
