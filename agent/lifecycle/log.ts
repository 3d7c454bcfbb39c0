import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from '../../config/schema.ts';

export type Log = pino.Logger;

/** Opens the log on standard error: text for people at a terminal, JSON lines for journald and collectors. */
export function openLog(config: Config['log'], bindings: Record<string, unknown> = {}): Log {
  const text = config.format === 'text' || (config.format === 'auto' && process.stderr.isTTY === true);
  const stream = text
    ? pretty({
        colorize: process.stderr.isTTY === true,
        ignore: 'pid,hostname,station,component',
        messageFormat: '{if component}{component}: {end}{msg}',
        translateTime: 'SYS:HH:MM:ss.l',
        singleLine: true,
        sync: true,
        destination: 2,
      })
    : pino.destination({ fd: 2, sync: true });
  return pino({ level: config.level, base: bindings, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}

/**
 * Says a repeated fault at once, then at most once in `everyMs` with how often it happened in between,
 * so that a broken camera cannot flood the log.
 */
export class FaultLog {
  readonly #log: Log;
  readonly #everyMs: number;
  readonly #seen = new Map<string, { saidAt: number; unsaid: number }>();

  constructor(log: Log, everyMs = 60_000) {
    this.#log = log;
    this.#everyMs = everyMs;
  }

  warn(fault: string, fields: Record<string, unknown> = {}): void {
    const now = performance.now();
    const seen = this.#seen.get(fault);
    if (seen && now - seen.saidAt < this.#everyMs) {
      seen.unsaid++;
      return;
    }
    const again = seen?.unsaid ? `${fault} (and ${seen.unsaid} times more since the last line)` : fault;
    this.#log.warn(fields, again);
    // Bounded: a fault text with changing parts must not grow the map for ever.
    if (this.#seen.size > 200) this.#seen.clear();
    this.#seen.set(fault, { saidAt: now, unsaid: 0 });
  }

  /** The fault is over: its next occurrence is news again. */
  clear(): void {
    this.#seen.clear();
  }
}
