/**
 * Circuit breaker for an inference server. After a failure the server is not used; it is probed again with increasing intervals
 * and used again once a probe succeeds.
 */
import { QcError } from '../../config/errors.ts';
import type { Server } from './server.ts';

export interface CircuitOptions {
  /** Probes the server; the signal ends the probe and the returned server. @throws QcError why it cannot be used */
  readonly open: (signal: AbortSignal) => Promise<Server>;
  readonly onUp: (server: Server) => void;
  /** Called when the server is no longer used, and when the reason changes. */
  readonly onDown: (reason: QcError) => void;
  readonly waits?: Waits;
}

/** All in ms. */
export interface Waits {
  /** From a failure to the next probe; doubled after each failed probe. */
  readonly first: number;
  readonly longest: number;
  /** Interval between probes of a working server. */
  readonly again: number;
}

export interface Circuit {
  /** The working server, if any. */
  readonly server: Server | undefined;
  answered(): void;
  /** A request to the server failed. */
  failed(server: Server, error: unknown): void;
  close(): void;
}

/** Maximum number of consecutive timeouts or overloads. Any other error opens the circuit at once, since the server may run another model. */
const maxLate = 3;
const isLate = ({ code }: QcError) =>
  code === 'inference-server-timeout' || code === 'inference-server-failed';

const defaultWaits: Waits = { first: 1_000, longest: 30_000, again: 60_000 };

/** Probes the server once; never throws because of the server. */
export async function openCircuit({
  open,
  onUp,
  onDown,
  waits = defaultWaits,
}: CircuitOptions): Promise<Circuit> {
  let server: Server | undefined;
  let reason: string | undefined;
  let late = 0;
  let waitMs = waits.first;
  let timer: NodeJS.Timeout | undefined;
  const closing = new AbortController();
  const { signal } = closing;

  function probeIn(ms: number): void {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(() => void probe(), ms);
  }

  async function probe(): Promise<void> {
    const before = server;
    try {
      const next = await open(signal);
      // The server failed, or the circuit was closed, during the probe.
      if (signal.aborted || before !== server) next.close();
      else up(next);
    } catch (error) {
      if (before) failed(before, error);
      else if (!signal.aborted) down(known(error));
      if (before && before === server) probeIn(waits.first);
    }
  }

  function up(next: Server): void {
    const before = server;
    server = next;
    late = 0;
    probeIn(waits.again);
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
    probeIn(waitMs);
    waitMs = Math.min(waits.longest, 2 * waitMs);
    if (reason === error.message) return;
    reason = error.message;
    onDown(error);
  }

  function failed(by: Server, error: unknown): void {
    // Other requests to a server may fail after it was given up.
    if (signal.aborted || by !== server) return;
    const fault = known(error);
    late++;
    if (!isLate(fault) || late >= maxLate) down(fault);
  }

  await probe();
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
