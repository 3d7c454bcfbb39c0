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

  constructor(id: string) {
    this.id = id;
  }

  get isOnline(): boolean {
    return this.#isOnline;
  }

  /** A new connection knows nothing until the retained STATE arrives; which ones are outdated is remembered. */
  connecting(): void {
    this.#isOnline = false;
  }

  /** Takes a STATE message in. An old one, such as the will of a connection the host has replaced, changes nothing. */
  told(payload: Buffer): Told {
    const parsed = check(stateMessage, parse(payload));
    if (!parsed.success) return 'unreadable';
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
