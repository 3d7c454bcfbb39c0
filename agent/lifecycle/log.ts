import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from '../../config/schema.ts';

export type Log = pino.Logger;

/**
 * Opens the log on standard error: text on a terminal, JSON lines for journald and collectors.
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
 * Logs a repeated fault at once, then at most once per `everyMs` with the number of repetitions,
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

  /** The same for events that are not faults, such as the end of one. */
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
      said?.unsaid ? `${fault} (${said.unsaid} more times since it was last logged)` : fault,
    );
    // Bounded: fault texts with changing parts must not grow the map forever.
    if (this.#said.size > 200) this.#said.clear();
    this.#said.set(fault, { at: now, unsaid: 0 });
  }

  /** The fault has ended: its next occurrence is logged at once. */
  clear(): void {
    this.#said.clear();
  }
}
