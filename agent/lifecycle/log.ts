import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from '../../config/schema.ts';

export type Log = pino.Logger;

/**
 * Opens the log on standard error: text for people at a terminal, JSON lines for journald and collectors.
 * `terminal` says whether standard error is one.
 */
export function openLog(
  config: Config['log'],
  terminal: boolean,
  bindings: Record<string, unknown> = {},
): Log {
  const text = config.format === 'text' || (config.format === 'auto' && terminal);
  const stream = text
    ? pretty({
        colorize: terminal,
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

interface Said {
  at: number;
  unsaid: number;
}

/**
 * Says a repeated fault at once, then at most once in `everyMs` with how often it happened in between,
 * so that a broken camera cannot flood the log.
 */
export class FaultLog {
  readonly #log: Log;
  readonly #everyMs: number;
  readonly #said = new Map<string, Said>();

  constructor(log: Log, everyMs = 60_000) {
    this.#log = log;
    this.#everyMs = everyMs;
  }

  warn(fault: string, fields: Record<string, unknown> = {}): void {
    this.#say('warn', fault, fields);
  }

  /** The same for what is no fault, such as its end. */
  info(message: string, fields: Record<string, unknown> = {}): void {
    this.#say('info', message, fields);
  }

  #say(level: 'warn' | 'info', fault: string, fields: Record<string, unknown>): void {
    const now = performance.now();
    const said = this.#said.get(fault);
    if (said && now - said.at < this.#everyMs) {
      said.unsaid++;
      return;
    }
    this.#log[level](
      fields,
      said?.unsaid ? `${fault} (and ${said.unsaid} times since it was last said)` : fault,
    );
    // Bounded: a fault text with changing parts must not grow the map for ever.
    if (this.#said.size > 200) this.#said.clear();
    this.#said.set(fault, { at: now, unsaid: 0 });
  }

  /** The fault is over: its next occurrence is news again. */
  clear(): void {
    this.#said.clear();
  }
}
