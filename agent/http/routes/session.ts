import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { QcError } from '../../../config/errors.ts';
import type { Audit } from '../../audit/audit.ts';
import { errorBody } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { whoIs } from '../record.ts';
import type { Sessions } from '../sessions.ts';
import type { Tokens } from '../tokens.ts';
import { type UserView, userView } from '../views.ts';

export interface SessionDeps {
  readonly tokens: Tokens | undefined;
  readonly sessions: Sessions;
  readonly limits: Limits;
  readonly audit: Pick<Audit, 'record'>;
  readonly cookie: string;
  /** Whether the server speaks HTTPS. */
  readonly secure: boolean;
}

const maxLoginBytes = 1_024;

const local: UserView = { name: 'local', role: 'engineer', tokens: false, session: false };

/** Login for the pages: exchanges a token for a cookie that scripts cannot read and other sites cannot use. */
export function addSession(app: App, { tokens, sessions, limits, audit, cookie, secure }: SessionDeps): void {
  const tags = ['session'];
  // RFC 6265bis §5.4.7: not sent with requests initiated by another site.
  const attributes = { path: '/', httpOnly: true, sameSite: 'strict', secure } as const;

  app.get(
    '/api/v1/session',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'The user of this request and their role',
        response: { 200: userView, 401: errorBody },
      },
    },
    ({ holder, headers }): UserView =>
      holder ? { ...holder, tokens: true, session: headers.authorization === undefined } : local,
  );

  app.post(
    '/api/v1/session',
    {
      bodyLimit: maxLoginBytes,
      // The handler records it: the body is a secret.
      config: { role: 'open', audit: false },
      schema: {
        tags,
        summary: 'Log in: exchange a token for a session cookie',
        body: z.object({ token: z.string().trim().min(1).max(200) }),
        response: { 200: userView, 400: errorBody, 401: errorBody, 429: errorBody },
      },
    },
    async (request, reply): Promise<UserView> => {
      if (!tokens) return local;
      const known = tokens.holderOf(request.body.token);
      if (!known) {
        request.hasUnknownToken = true;
        await limits.failedLogin(request, reply);
        throw new QcError('http-unauthorized', 'unknown token');
      }
      const { name, role } = known;
      const before = request.cookies[cookie];
      if (before !== undefined) sessions.end(before);
      reply.setCookie(cookie, sessions.begin(known), attributes);
      request.holder = { name, role };
      await audit.record({
        ...whoIs(request, true),
        action: 'login',
        what: {},
        outcome: 'done',
        code: null,
      });
      return { name, role, tokens: true, session: true };
    },
  );

  app.delete(
    '/api/v1/session',
    {
      config: { role: 'viewer', audit: 'logout', alwaysAllowed: true },
      schema: {
        tags,
        summary: 'Log out',
        response: { 200: z.object({ ok: z.literal(true) }), 401: errorBody },
      },
    },
    async (request, reply) => {
      const id = request.cookies[cookie];
      if (id !== undefined) sessions.end(id);
      // Otherwise images of parts stay in the cache of the browser.
      reply.clearCookie(cookie, attributes).header('clear-site-data', '"cache"');
      return { ok: true as const };
    },
  );
}
