/** Tracks whether the primary host application is online, from its STATE messages (Sparkplug 3.0 §5.4, §5.6). */

import { z } from 'zod';
import { check } from '../../../config/check.ts';

const stateMessage = z.looseObject({
  online: z.boolean(),
  timestamp: z.number().int().nonnegative().describe('ms since the epoch, of the host'),
});

/** Meaning of a STATE message for this edge node. */
export type Told = 'online' | 'offline' | 'outdated' | 'unreadable';

export class PrimaryHost {
  readonly id: string;
  /** Timestamps of the newest STATE message, and of the newest that said online. */
  #newest = Number.NEGATIVE_INFINITY;
  #newestOnline = Number.NEGATIVE_INFINITY;
  #isOnline = false;
  #hint = '';
  /** False once a subscription to its Sparkplug 2.2 STATE has ended a connection. */
  mayAsk22 = true;

  constructor(id: string) {
    this.id = id;
  }

  get isOnline(): boolean {
    return this.#isOnline;
  }

  /** Why it does not count as online although it announces itself, and what to do; empty if unknown. */
  get hint(): string {
    return this.#hint;
  }

  /** Handles a message on the STATE topic of Sparkplug 2.2. */
  told22(): void {
    this.#hint = `it announces itself as in Sparkplug 2.2, on STATE/${this.id}, and no birth is sent: set the host to Sparkplug 3.0, or remove mqtt.sparkplug.primaryHost`;
  }

  /** On a new connection the host counts as offline until its retained STATE arrives; timestamps are remembered. */
  connecting(): void {
    this.#isOnline = false;
  }

  /** Handles a STATE message. An outdated one, such as the will of a replaced connection of the host, is ignored. */
  told(payload: Buffer): Told {
    const parsed = check(stateMessage, parse(payload));
    if (!parsed.success) {
      const is22 = ['ONLINE', 'OFFLINE'].includes(payload.toString('latin1').trim().toUpperCase());
      const found = is22 ? 'has the format of Sparkplug 2.2' : 'is not {"online":…,"timestamp":…}';
      this.#hint = `its STATE message ${found}, and no birth is sent: set the host to Sparkplug 3.0, or remove mqtt.sparkplug.primaryHost`;
      return 'unreadable';
    }
    this.#hint = '';
    const { online, timestamp } = parsed.data;
    if (timestamp < (online ? this.#newest : this.#newestOnline)) return 'outdated';
    this.#newest = Math.max(this.#newest, timestamp);
    if (online) this.#newestOnline = timestamp;
    this.#isOnline = online;
    return online ? 'online' : 'offline';
  }
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return undefined;
  }
}
