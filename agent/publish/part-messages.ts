/** What the broker is to be told of a part: two queues of the outbox, and what is put into them. */
import { z } from 'zod';
import { composeVerdict } from './compose.ts';
import type { Result, VerdictMessage } from './messages.ts';
import type { Letter, Outbox, OutboxStore } from './outbox/outbox.ts';

export interface CameraVerdict {
  readonly camera: string;
  readonly verdict: VerdictMessage;
}

/** A payload stays an object until it is sent: `publishedAt` and `historical` are only known then. */
export interface MqttOutbox {
  readonly results: Outbox<Result>;
  /** A queue of their own, so that a live verdict need not wait behind results that have waited. */
  readonly verdicts: Outbox<CameraVerdict>;
}

// As loose as sending allows: an earlier or a later version may have stored it. What was put was valid then.
const storedResult = z.looseObject({
  schema: z.literal(1),
  camera: z.string(),
}) as unknown as z.ZodType<Result>;
const storedVerdict = z.looseObject({
  camera: z.string(),
  verdict: z.looseObject({ schema: z.literal(1) }),
}) as unknown as z.ZodType<CameraVerdict>;

export function openMqttOutbox(store: OutboxStore): MqttOutbox {
  return {
    results: store.queue('mqtt-results', storedResult),
    verdicts: store.queue('mqtt-verdicts', storedVerdict),
  };
}

/** Both messages of one part. */
export function lettersOf(result: Result, { results, verdicts }: MqttOutbox): Letter[] {
  const verdict = { camera: result.camera, verdict: composeVerdict(result) };
  return [results.letter(result), verdicts.letter(verdict)];
}
