import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { auditEntry, outcomes } from '../../audit/entry.ts';
import type { HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';

/** Who changed what: for engineers. */
export function addAudit(app: App, { audit }: Pick<HttpDeps, 'audit'>): void {
  app.get(
    '/api/v1/audit',
    {
      config: { role: 'engineer' },
      schema: {
        tags: ['audit'],
        summary: 'Who changed what, and what was refused; newest first',
        querystring: z.object({
          since: z.iso.datetime({ offset: true }).optional(),
          who: z.string().max(300).optional().describe('or its prefix: token: matches every token'),
          action: z.string().max(100).optional(),
          outcome: z.enum(outcomes).optional(),
          before: z.coerce.number().int().min(1).optional().describe('older than this sequence'),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: { 200: z.array(auditEntry), 400: errorBody },
      },
    },
    ({ query: { since, ...query } }) =>
      audit.read({ ...query, ...(since !== undefined && { since: new Date(since) }) }),
  );
}
