/** Records every change that is asked for over HTTP, and what came of it, before the answer leaves. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Audit } from '../audit/audit.ts';
import { type AuditDraft, factsOf } from '../audit/entry.ts';
import { isChange } from './origin.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the change is called in the audit log; by default its method and route. False: nothing is changed. */
    audit?: string | false;
    /** The change is made even if it cannot be recorded at once: it takes rights or parts back, or only logs in. */
    alwaysAllowed?: true;
  }
  interface FastifyRequest {
    /** Code of what it failed with. */
    failure?: string;
  }
}

/**
 * A hook that runs before a change is made: a change that could not be recorded is refused.
 * @throws QcError audit-unavailable
 */
export function createGate(audit: Pick<Audit, 'ready'>) {
  return async (request: FastifyRequest): Promise<void> => {
    if (actionOf(request) !== undefined && !request.routeOptions.config.alwaysAllowed) await audit.ready();
  };
}

/** A hook that runs before an answer is sent; an answer is not sent before its record is on the disk. */
export function createRecorder(audit: Pick<Audit, 'record'>, hasTokens: boolean) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const action = actionOf(request);
    // What comes too often is counted and refused; the log is no place for it.
    if (action === undefined || request.failure === 'http-rate-limited') return;
    await audit.record({
      ...whoIs(request, hasTokens),
      action,
      // What nobody was let in for is not looked at.
      what: action === 'login' ? {} : factsOf(request.params, request.body),
      ...outcomeOf(request.failure, reply.statusCode),
    });
  };
}

function actionOf(request: FastifyRequest): string | undefined {
  if (request.hasUnknownToken) return 'login';
  if (!isChange(request) || request.is404) return undefined;
  const { url, config } = request.routeOptions;
  return config.audit === false ? undefined : (config.audit ?? `${request.method} ${url}`.slice(0, 100));
}

export function whoIs(
  { holder, ip }: FastifyRequest,
  hasTokens: boolean,
): Pick<AuditDraft, 'who' | 'role' | 'from'> {
  if (holder) return { who: `token:${holder.name}`, role: holder.role, from: ip };
  return { who: hasTokens ? 'nobody' : 'local', role: null, from: ip };
}

function outcomeOf(failure: string | undefined, status: number): Pick<AuditDraft, 'outcome' | 'code'> {
  if (failure === undefined && status < 400) return { outcome: 'done', code: null };
  return { outcome: status === 500 ? 'failed' : 'refused', code: failure ?? `http-${status}` };
}
