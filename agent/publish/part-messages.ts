/** Messages about a part for the broker: two queues of the outbox and their content. */
import { z } from 'zod';
import { composeVerdict } from './compose.ts';
import type { Result, VerdictMessage } from './messages.ts';
import type { Letter, Outbox, OutboxStore } from './outbox/outbox.ts';

export interface CameraVerdict {
  readonly camera: string;
  readonly verdict: VerdictMessage;
}

/** A payload remains an object until it is sent, because `publishedAt` and `historical` are only known then. */
export interface MqttOutbox {
  readonly results: Outbox<Result>;
  /** A separate queue, so that a live verdict does not wait behind delayed results. */
  readonly verdicts: Outbox<CameraVerdict>;
}

// As permissive as possible: an earlier or later version may have stored it. It was valid when it was put.
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
