/**
 * Whether an inference server is asked: while it proves itself. One that failed is left alone, and looked at anew after a
 * while that grows each time; it is asked again once it passes its test again.
 */
import { QcError } from '../../config/errors.ts';
import type { Server } from './server.ts';

export interface CircuitOptions {
  /** One look at the server; the signal ends it, and the server. @throws QcError why it is not to be asked */
  readonly open: (signal: AbortSignal) => Promise<Server>;
  readonly onUp: (server: Server) => void;
  /** Told when it is no longer asked, and when the reason for that changes. */
  readonly onDown: (reason: QcError) => void;
  readonly waits?: Waits;
}

/** All in ms. */
export interface Waits {
  /** From a failure to the next look; doubled each time it fails again. */
  readonly first: number;
  readonly longest: number;
  /** From one look at a server that is well to the next. */
  readonly again: number;
}

export interface Circuit {
  /** The one to ask; undefined while there is none. */
  readonly server: Server | undefined;
  answered(): void;
  /** A server failed a picture. */
  failed(server: Server, error: unknown): void;
  close(): void;
}

/** Late or overloaded this often in a row is too often; anything else once: what answers then may be another model. */
const mostLate = 3;
const isLate = ({ code }: QcError) =>
  code === 'inference-server-timeout' || code === 'inference-server-failed';

const usual: Waits = { first: 1_000, longest: 30_000, again: 60_000 };

/** Takes a first look; never throws for what the server does. */
export async function openCircuit({ open, onUp, onDown, waits = usual }: CircuitOptions): Promise<Circuit> {
  let server: Server | undefined;
  let reason: string | undefined;
  let late = 0;
  let waitMs = waits.first;
  let timer: NodeJS.Timeout | undefined;
  const closing = new AbortController();
  const { signal } = closing;

  function lookIn(ms: number): void {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(() => void look(), ms);
  }

  async function look(): Promise<void> {
    const before = server;
    try {
      const next = await open(signal);
      // Gone bad, or closed, while it was looked at.
      if (signal.aborted || before !== server) next.close();
      else up(next);
    } catch (error) {
      if (before) failed(before, error);
      else if (!signal.aborted) down(known(error));
      if (before && before === server) lookIn(waits.first);
    }
  }

  function up(next: Server): void {
    const before = server;
    server = next;
    late = 0;
    lookIn(waits.again);
    before?.close();
    if (before) {
      waitMs = waits.first;
      return;
    }
    reason = undefined;
    onUp(next);
  }

  function down(error: QcError): void {
    server?.close();
    server = undefined;
    lookIn(waitMs);
    waitMs = Math.min(waits.longest, 2 * waitMs);
    if (reason === error.message) return;
    reason = error.message;
    onDown(error);
  }

  function failed(by: Server, error: unknown): void {
    // Others of its requests may fail after it was given up.
    if (signal.aborted || by !== server) return;
    const fault = known(error);
    late++;
    if (!isLate(fault) || late >= mostLate) down(fault);
  }

  await look();
  return {
    get server() {
      return server;
    },
    answered() {
      late = 0;
    },
    failed,
    close() {
      clearTimeout(timer);
      closing.abort();
      server = undefined;
    },
  };
}

const known = (error: unknown) =>
  error instanceof QcError ? error : new QcError('internal', String(error), { cause: error });
