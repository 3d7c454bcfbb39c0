/** The person behind a request, and their browser. */
import type { FastifyRequest } from 'fastify';
import type { Person } from '../../calibration/routes/person.ts';

/** Without tokens everybody on this machine may do everything. */
const nobodyLogsIn = { name: 'operator', role: 'engineer' } as const;

/**
 * @param client how the browser names itself; default: the header `x-qc-client`. Anything that is no such name counts as
 * none: then only a log-in tells people apart.
 */
export function personOf(
  { holder, headers }: FastifyRequest,
  client: unknown = headers['x-qc-client'],
): Person {
  const isName = typeof client === 'string' && /^[A-Za-z0-9-]{8,64}$/.test(client);
  return {
    ...(holder ?? nobodyLogsIn),
    isLoggedIn: holder !== undefined,
    client: isName ? client : undefined,
  };
}
