/** The parts list of the HTTP side: guard, errors, document, routes. */
import swagger from '@fastify/swagger';
import { type FastifyRequest, fastify } from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { addCalibration, type Person } from '../../calibration/api.ts';
import { QcError } from '../../config/errors.ts';
import type { HttpConfig } from '../../config/schema.ts';
import type { App, HttpDeps } from './deps.ts';
import { createErrorHandler, errorBody } from './errors.ts';
import { createGuard } from './guard.ts';
import { addClassify } from './routes/classify.ts';
import { addCommands } from './routes/commands.ts';
import { addEvents } from './routes/events.ts';
import { addHealth } from './routes/health.ts';
import { addPage } from './routes/page.ts';
import { addRecipes } from './routes/recipes.ts';
import { addResults } from './routes/results.ts';
import { addStation } from './routes/station.ts';
import type { Tokens } from './tokens.ts';

/** Builds everything but does not listen. @param tokens undefined: loopback only, everybody may do everything */
export async function buildApp(config: HttpConfig, tokens: Tokens | undefined, deps: HttpDeps): Promise<App> {
  const app: App = fastify({
    bodyLimit: Math.round(config.maxBodyMb * 1e6),
    forceCloseConnections: true,
    // A client that trickles must not hold a connection for ever.
    requestTimeout: 60_000,
    routerOptions: { maxParamLength: 128 },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest('holder', undefined);
  app.addHook('onRequest', createGuard(tokens));
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
        },
      },
      security: [{ bearer: [] }, { basic: [] }],
    },
    transform: jsonSchemaTransform,
  });
  // The document sees only routes that are added after it is ready.
  await app.register(async (scope) => {
    const routes = scope.withTypeProvider<ZodTypeProvider>() as App;
    addHealth(routes, deps);
    addStation(routes, deps);
    addResults(routes, deps);
    addCommands(routes, deps);
    addRecipes(routes, deps);
    addClassify(routes, deps);
    addEvents(routes, deps);
    if (deps.calibration) {
      // Without tokens everybody on this machine may do everything.
      const whoIs = ({ holder }: FastifyRequest): Person => holder ?? { name: 'operator', role: 'engineer' };
      addCalibration(routes, { calibration: deps.calibration, errorBody, whoIs });
    }
    await addPage(routes);
    routes.get('/api/v1/openapi.json', { config: { role: 'viewer' }, schema: { hide: true } }, () =>
      app.swagger(),
    );
  });
  await app.ready();
  return app;
}
