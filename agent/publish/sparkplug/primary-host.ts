/** Whether the primary host application is there, from its STATE messages (Sparkplug 3.0 §5.4, §5.6). */

import { z } from 'zod';
import { check } from '../../../config/check.ts';

const stateMessage = z.looseObject({
  online: z.boolean(),
  timestamp: z.number().int().nonnegative().describe('ms since the epoch, of the host'),
});

/** What a STATE message means for this edge node. */
export type Told = 'online' | 'offline' | 'outdated' | 'unreadable';

export class PrimaryHost {
  readonly id: string;
  /** Of the newest STATE message of either kind, and of the newest that said online. */
  #newest = Number.NEGATIVE_INFINITY;
  #newestOnline = Number.NEGATIVE_INFINITY;
  #isOnline = false;
  #hint = '';
  /** False once asking for its STATE of Sparkplug 2.2 has ended a connection. */
  mayAsk22 = true;

  constructor(id: string) {
    this.id = id;
  }

  get isOnline(): boolean {
    return this.#isOnline;
  }

  /** Why it does not count as online although it announces itself, with what to do; empty where nothing is known. */
  get hint(): string {
    return this.#hint;
  }

  /** Takes in what came on the STATE topic of Sparkplug 2.2. */
  told22(): void {
    this.#hint = `it announces itself as in Sparkplug 2.2, on STATE/${this.id}, and no birth is sent: set the host to Sparkplug 3.0, or remove mqtt.sparkplug.primaryHost`;
  }

  /** A new connection knows nothing until the retained STATE arrives; which ones are outdated is remembered. */
  connecting(): void {
    this.#isOnline = false;
  }

  /** Takes a STATE message in. An old one, such as the will of a connection the host has replaced, changes nothing. */
  told(payload: Buffer): Told {
    const parsed = check(stateMessage, parse(payload));
    if (!parsed.success) {
      const is22 = ['ONLINE', 'OFFLINE'].includes(payload.toString('latin1').trim().toUpperCase());
      const found = is22 ? 'holds the text of Sparkplug 2.2' : 'is not {"online":…,"timestamp":…}';
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
