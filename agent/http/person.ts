/** The user of a request, and their browser. */
import type { FastifyRequest } from 'fastify';
import type { Person } from '../../calibration/routes/person.ts';

/** Without tokens, everybody on this machine may do everything. */
const nobodyLogsIn = { name: 'operator', role: 'engineer' } as const;

/**
 * @param client id of the browser; default: the header `x-qc-client`. A value that is not such an id counts as
 * none: then only a login tells people apart.
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
