/** Records every change requested over HTTP, with its outcome, before the answer is sent. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Audit } from '../audit/audit.ts';
import { type AuditDraft, factsOf } from '../audit/entry.ts';
import { isChange } from './origin.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Name of the change in the audit log; default: its method and route. False: the route changes nothing. */
    audit?: string | false;
    /** The body may contain secrets: only what the handler sets as `facts` is recorded. */
    hasSecrets?: true;
    /** The change is made even if it cannot be recorded at once: it withdraws rights or parts, or only logs in. */
    alwaysAllowed?: true;
  }
  interface FastifyRequest {
    /** Code of the error that it failed with. */
    failure?: string;
    /** What to record instead of the parameters and the body. */
    facts?: AuditDraft['what'];
  }
}

/**
 * A hook that runs before a change is made: a change that cannot be recorded is refused.
 * @throws QcError audit-unavailable
 */
export function createGate(audit: Pick<Audit, 'ready'>) {
  return async (request: FastifyRequest): Promise<void> => {
    if (actionOf(request) !== undefined && !request.routeOptions.config.alwaysAllowed) await audit.ready();
  };
}

/** A hook that runs before an answer is sent: the record must be on disk first. */
export function createRecorder(audit: Pick<Audit, 'record'>, hasTokens: boolean) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const action = actionOf(request);
    // Rate-limited requests are counted, not recorded: they would flood the log.
    if (action === undefined || request.failure === 'http-rate-limited') return;
    await audit.record({
      ...whoIs(request, hasTokens),
      action,
      // The details of an unauthorized request are not recorded.
      what: action === 'login' ? {} : (request.facts ?? requestFacts(request)),
      ...outcomeOf(request.failure, reply.statusCode),
    });
  };
}

/** A body that was refused before its handler ran may contain secrets if the route takes some. */
function requestFacts({ params, query, body, routeOptions }: FastifyRequest): AuditDraft['what'] {
  return routeOptions.config.hasSecrets ? {} : factsOf(params, query, body);
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
