/** Assembles the HTTP server: guard, limits, record, errors, OpenAPI document, routes. */
import type { IncomingMessage } from 'node:http';
import cookies from '@fastify/cookie';
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import { fastify } from 'fastify';
import { jsonSchemaTransform, serializerCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { App } from '../../calibration/routes/route.ts';
import { addCalibration } from '../../calibration/routes.ts';
import { QcError } from '../../config/errors.ts';
import type { HttpConfig } from '../../config/schema.ts';
import type { HttpDeps } from './deps.ts';
import { createErrorHandler, errorBody } from './errors.ts';
import { createGuard } from './guard.ts';
import { securityHeaders } from './headers.ts';
import { addLimits } from './limits.ts';
import { personOf } from './person.ts';
import { createGate, createRecorder } from './record.ts';
import { addAim } from './routes/aim.ts';
import { addAudit } from './routes/audit.ts';
import { addChallenge } from './routes/challenge.ts';
import { addClassify } from './routes/classify.ts';
import { addCommands } from './routes/commands.ts';
import { addConfig } from './routes/config.ts';
import { addDocs } from './routes/docs.ts';
import { addEvents } from './routes/events.ts';
import { addEvidence } from './routes/evidence.ts';
import { addHealth } from './routes/health.ts';
import { addPage } from './routes/page.ts';
import { addRecipes } from './routes/recipes.ts';
import { addResults } from './routes/results.ts';
import { addSession } from './routes/session.ts';
import { addSetup } from './routes/setup.ts';
import { addStation } from './routes/station.ts';
import { addStatistics } from './routes/statistics.ts';
import { createSessions } from './sessions.ts';
import { minVersion, type ServedCertificate } from './tls.ts';
import type { Tokens } from './tokens.ts';
import { checkRequest, refuseUnknownBody } from './validate.ts';

export interface AccessFiles {
  /** Undefined: the server listens on loopback only, and everybody may do everything. */
  readonly tokens?: Tokens | undefined;
  /** Undefined: the server speaks HTTP. */
  readonly certificate?: ServedCertificate | undefined;
}

/** Maximum number of connections: the cameras and the broker need file descriptors too. */
const maxConnections = 256;
/** A client that sends its headers or body slowly must not hold a connection forever, ms. */
const headersTimeout = 10_000;
const bodyTimeout = 60_000;
/** The same for an upload of weights, which limits its pauses itself. */
const requestTimeout = 3_600_000;
const keepAliveTimeout = 20_000;
const connectionsCheckingInterval = 2_000;

/** Builds the server of the agent without listening. */
export function buildApp(config: HttpConfig, access: AccessFiles, deps: HttpDeps): Promise<App> {
  return buildServer(config, access, deps, async (routes) => {
    addAudit(routes, deps);
    addHealth(routes, deps);
    addStation(routes, deps);
    addAim(routes, deps);
    addResults(routes, deps);
    addEvidence(routes, deps);
    addStatistics(routes, deps);
    addCommands(routes, deps);
    addRecipes(routes, deps);
    addChallenge(routes, deps);
    addClassify(routes, deps);
    addEvents(routes, deps);
    if (deps.settings) addConfig(routes, deps.settings);
    if (deps.setup) addSetup(routes, deps.setup);
    if (deps.calibration) {
      addCalibration(routes, { calibration: deps.calibration, errorBody, whoIs: personOf });
    }
    await addDocs(routes);
    await addPage(routes);
  });
}

/** Builds a server with access control, limits, record and log-in. @param addRoutes adds the rest */
export async function buildServer(
  config: HttpConfig,
  access: AccessFiles,
  deps: Pick<HttpDeps, 'station' | 'log' | 'audit'>,
  addRoutes: (routes: App) => Promise<void>,
): Promise<App> {
  const { tokens, certificate } = access;
  const secure = certificate !== undefined;
  const app = createServer(config, certificate);
  app.setValidatorCompiler(checkRequest);
  app.setSerializerCompiler(serializerCompiler);
  // A cookie applies to every port of a host, and other stations may run on those ports.
  const cookie = `${secure ? '__Host-' : ''}qc-${deps.station}`;
  const minutes = 60_000;
  const sessions = createSessions(tokens ?? { holderOfHash: () => undefined }, {
    absoluteMs: config.sessionHours * 60 * minutes,
    idleMs: config.sessionIdleMinutes * minutes,
  });
  await app.register(helmet, securityHeaders);
  await app.register(cookies);
  app.addHook('onRequest', async (request) => limitBody(request.raw, request.routeOptions.config.takesLong));
  const limits = await addLimits(app, config.requestsPerMinute);
  app.addHook('onRequest', createGuard({ tokens, sessions, limits, cookie }));
  app.addHook('preValidation', async (request) => refuseUnknownBody(request));
  app.addHook('preHandler', createGate(deps.audit));
  app.addHook('onSend', createRecorder(deps.audit, tokens !== undefined));
  app.setErrorHandler(createErrorHandler(deps.log));
  app.setNotFoundHandler((request) => {
    throw new QcError('http-not-found', `there is no ${request.method} ${request.url.split('?')[0]}`);
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'qc-edge-agent',
        description: 'Verdicts, pictures and commands of one inspection station.',
        version: '1',
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          basic: { type: 'http', scheme: 'basic', description: 'any user name, the token as password' },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: 'qc-<station>',
            description: 'the page: POST /api/v1/session',
          },
        },
      },
      security: [{ bearer: [] }, { basic: [] }, { session: [] }],
    },
    transform(route) {
      const { schema, url } = jsonSchemaTransform(route);
      return { schema: { ...schema, 'x-role': route.route.config?.role ?? 'engineer' }, url };
    },
  });
  // The document contains only routes that are added after the plugin is ready.
  await app.register(async (scope) => {
    const routes = scope.withTypeProvider<ZodTypeProvider>() as App;
    addSession(routes, { tokens, sessions, limits, audit: deps.audit, cookie, secure });
    await addRoutes(routes);
    routes.get('/api/v1/openapi.json', { config: { role: 'viewer' }, schema: { hide: true } }, () =>
      app.swagger(),
    );
  });
  await app.ready();
  return app;
}

/** Ends the connection if the body has not arrived in time. */
function limitBody(request: IncomingMessage, takesLong = false): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (takesLong || (encoding === undefined && (length ?? '0') === '0')) return;
  const timer = setTimeout(() => request.destroy(), bodyTimeout).unref();
  for (const event of ['end', 'close']) request.once(event, () => clearTimeout(timer));
}

function createServer({ maxBodyMb }: HttpConfig, certificate: ServedCertificate | undefined): App {
  const options = {
    bodyLimit: Math.round(maxBodyMb * 1e6),
    forceCloseConnections: true,
    requestTimeout,
    keepAliveTimeout,
    routerOptions: { maxParamLength: 128 },
  };
  const http = { connectionsCheckingInterval };
  const created = certificate
    ? fastify({
        ...options,
        https: {
          ...http,
          cert: certificate.cert,
          key: certificate.key,
          minVersion,
          handshakeTimeout: headersTimeout,
        },
      })
    : fastify({ ...options, http });
  // The types of HTTP and HTTPS servers differ; the routes are the same.
  const app = created as unknown as App;
  app.server.headersTimeout = headersTimeout;
  app.server.maxConnections = maxConnections;
  return app;
}
