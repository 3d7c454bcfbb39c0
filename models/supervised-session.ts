/**
 * The session that judges. It is restarted when its thread fails, and replaced without losing a request: a request stays with the
 * session that it has started on, and requests wait during a restart.
 *
 * A thread that fails `maxRestarts` + 1 times in a row, without a judgement in between, is not restarted: every request is
 * refused until the session is replaced.
 */
import { QcError } from '../config/errors.ts';
import { createInFlight } from './in-flight.ts';
import type { SessionFacts } from './run/messages.ts';
import type { Session } from './run/session.ts';

export interface SupervisedSession extends AsyncDisposable {
  /** Of the session that was opened first or replaced the one before; a restart does not change them. */
  readonly facts: SessionFacts;
  readonly concurrency: number;
  /** Why nothing can be judged at the moment; undefined if it works. */
  readonly fault: string | undefined;
  /** The running session; waits during a restart. @throws QcError overloaded, inference-stopped */
  ready(): Promise<Session>;
  /** Does work on the running session, which is not closed before the work has ended. @throws as `ready` */
  run<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** A judgement has succeeded: failures before it no longer count. */
  worked(): void;
  /** Waits until no restart is in progress. @throws QcError inference-stopped after `stop` */
  settled(): Promise<void>;
  /** Uses another session from now on, and closes the one before after its last request. */
  replace(next: Session): void;
  /** No restarts from now on. */
  stop(): void;
}

export interface SupervisedSessionOptions {
  /** Opens a session that replaces the failed one. */
  readonly restart: (failed: Session) => Promise<Session>;
  readonly onNotice: (text: string) => void;
}

/** Maximum number of consecutive restarts of the thread without a judgement in between. */
const maxRestarts = 3;
/** Maximum number of pending requests while the thread restarts. */
const maxPending = 64;

export function superviseSession(first: Session, options: SupervisedSessionOptions): SupervisedSession {
  const { onNotice } = options;
  const inFlight = createInFlight();
  let session = first;
  let { facts } = first;
  /** The session that was replaced last; settles when it is closed. */
  let retiring: Promise<void> | undefined;
  let stopped = false;
  let failures = 0;
  let broken: QcError | undefined;
  /** Set while the thread restarts. */
  let starting: Promise<void> | undefined;
  let pending = 0;
  watch(session);

  function watch(watched: Session): void {
    watched.ended.then((fault) => {
      // A session that was replaced is not restarted.
      if (stopped || !fault || watched !== session) return;
      starting = restart(fault).finally(() => {
        starting = undefined;
      });
    });
  }

  async function restart(fault: QcError): Promise<void> {
    for (let error = fault; ; ) {
      failures++;
      if (failures > maxRestarts) {
        broken = new QcError('inference-stopped', `${error.message}, ${failures} times in a row`);
        onNotice(broken.line);
        return;
      }
      onNotice(`${error.message}; restarting it`);
      try {
        session = await options.restart(session);
        watch(session);
        return;
      } catch (cause) {
        error = cause instanceof QcError ? cause : new QcError('inference-stopped', String(cause), { cause });
        if (stopped) return;
      }
    }
  }

  async function ready(): Promise<Session> {
    while (starting) {
      if (pending >= maxPending)
        throw new QcError('overloaded', `${pending} images are already waiting for the model to restart`);
      pending++;
      await starting;
      pending--;
    }
    if (broken) throw broken;
    return session;
  }

  return {
    get facts() {
      return facts;
    },
    get concurrency() {
      return session.concurrency;
    },
    get fault() {
      return starting ? 'the inference thread is restarting' : broken?.message;
    },
    ready,
    run: async (work) => inFlight.run(await ready(), work),
    worked() {
      failures = 0;
    },
    async settled() {
      while (starting) await starting;
      if (stopped) throw new QcError('inference-stopped', 'the model is closed');
    },
    replace(next) {
      const replaced = session;
      session = next;
      ({ facts } = next);
      broken = undefined;
      watch(next);
      retiring = inFlight.retire(replaced).catch(() => undefined);
    },
    stop() {
      stopped = true;
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      await starting;
      await retiring;
      await session[Symbol.asyncDispose]();
    },
  };
}
