/** The subscription to commands: one with a wildcard, or one for each command if the broker allows no wildcard. */
import { commandMessages } from './messages.ts';
import type { Refusals } from './refusals.ts';
import type { Sender } from './sender.ts';
import type { Topics } from './topics.ts';

export interface Subscription {
  begin(): Promise<void>;
  /** Tries refused filters again when they are due. */
  retry(): Promise<void>;
}

export interface SubscriptionOptions {
  /** If false, subscribes to nothing. */
  readonly wanted: boolean;
  /** Whether the broker allows wildcards. */
  readonly wildcards: boolean;
}

export function createSubscription(
  sender: Sender,
  topics: Topics,
  refusals: Refusals,
  { wanted, wildcards }: SubscriptionOptions,
): Subscription {
  const single = Object.keys(commandMessages).map((name) => topics.command(name));
  let refused: string[] = [];
  let isBusy = true;

  const subscribeAll = async () => {
    if (!wildcards) return sender.subscribe(single);
    const all = await sender.subscribe([topics.commands]);
    // If the wildcard filter ends the connection, seven more filters are not worth trying.
    if (all.length === 0 || refusals.topics.reason(topics.commands) === 'disconnected') return all;
    const left = await sender.subscribeToSome(single);
    if (left.length === single.length) return all;
    refusals.forget(topics.commands);
    return left;
  };

  return {
    async begin() {
      if (wanted) refused = await subscribeAll();
      isBusy = false;
    },
    async retry() {
      const due = refused.filter((filter) => refusals.topics.mayTest(filter));
      if (isBusy || due.length === 0) return;
      isBusy = true;
      const still = await sender.subscribe(due);
      refused = refused.filter((filter) => !due.includes(filter) || still.includes(filter));
      isBusy = false;
    },
  };
}
