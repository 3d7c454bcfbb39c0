/** The subscription to commands: one with a wildcard, or one for each command where the broker allows no other. */
import { commandMessages } from './messages.ts';
import type { Refusals } from './refusals.ts';
import type { Sender } from './sender.ts';
import type { Topics } from './topics.ts';

export interface Subscription {
  begin(): Promise<void>;
  /** Tries again what was refused, where its time has come. */
  retry(): Promise<void>;
}

export interface SubscriptionOptions {
  /** Subscribes to nothing where false. */
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
    // One that ends the connection is not worth seven more.
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
