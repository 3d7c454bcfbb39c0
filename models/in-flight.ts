/** Requests that sessions still answer, so that a session that was replaced is closed only after its last answer. */
import type { Session } from './run/session.ts';

export interface InFlight {
  run<T>(session: Session, work: (session: Session) => Promise<T>): Promise<T>;
  /** Closes a session that gets no more requests, once it has answered. */
  retire(session: Session): Promise<void>;
}

export function createInFlight(): InFlight {
  const requests = new WeakMap<Session, Set<Promise<unknown>>>();
  return {
    async run(session, work) {
      const running = requests.get(session) ?? new Set();
      requests.set(session, running);
      const result = work(session);
      running.add(result);
      try {
        return await result;
      } finally {
        running.delete(result);
      }
    },
    async retire(session) {
      // Callers that have just taken it begin before this.
      await new Promise(setImmediate);
      await Promise.allSettled(requests.get(session) ?? []);
      await session[Symbol.asyncDispose]();
    },
  };
}
