/**
 * Lanes of messages for the broker. Results keep their order. A live verdict does not wait behind delayed verdicts: those
 * are too late to act on, and are sent in a separate lane, marked as historical.
 */
import type { Lane } from './drain.ts';
import type { Before } from './live.ts';
import type { Result } from './messages.ts';
import type { Numbered } from './outbox/outbox.ts';
import type { CameraVerdict, MqttOutbox } from './part-messages.ts';
import type { Sender } from './sender.ts';
import type { Topics } from './topics.ts';

export interface LaneDeps {
  readonly outbox: MqttOutbox;
  /** @param part the part of a verdict that was not delayed */
  published(kind: 'result' | 'verdict', part?: Numbered): void;
}

export function lanesOver(
  sender: Pick<Sender, 'send'>,
  topics: Topics,
  { outbox, published }: LaneDeps,
  before: Before,
): Lane<never>[] {
  const { results, verdicts } = outbox;
  const result: Lane<Result> = {
    outbox: results,
    after: 0,
    upTo: Number.POSITIVE_INFINITY,
    urgent: false,
    topic: ({ camera }) => topics.result(camera),
    async send({ id, message }, wasHeld) {
      const publishedAt = new Date().toISOString();
      const payload = JSON.stringify({
        ...message,
        publishedAt,
        historical: wasHeld || id <= before.results,
      });
      const topic = topics.result(message.camera);
      const outcome = await sender.send({ kind: 'result', topic, payload, key: `result ${id}` });
      if (outcome === 'sent') published('result');
      return outcome;
    },
  };
  const verdict: Pick<Lane<CameraVerdict>, 'outbox' | 'topic' | 'send'> = {
    outbox: verdicts,
    topic: ({ camera }) => topics.verdict(camera),
    async send({ id, message: { camera, verdict } }, wasHeld) {
      const historical = wasHeld || id <= before.verdicts;
      const payload = JSON.stringify(historical ? { ...verdict, historical } : verdict);
      const topic = topics.verdict(camera);
      const outcome = await sender.send({ kind: 'verdict', topic, payload, key: `verdict ${id}` });
      const { sequence } = verdict;
      if (outcome === 'sent') published('verdict', historical ? undefined : { camera, sequence });
      return outcome;
    },
  };
  const late: Lane<CameraVerdict> = { ...verdict, after: 0, upTo: before.verdicts, urgent: false };
  const live: Lane<CameraVerdict> = {
    ...verdict,
    after: before.verdicts,
    upTo: Number.POSITIVE_INFINITY,
    urgent: true,
  };
  return [live, result, late] as Lane<never>[];
}
