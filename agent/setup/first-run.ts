/**
 * The first set-up: a small server with the guide, until the configuration file is written. It opens no camera and no broker
 * except for checks. Loopback only, or with a token.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Environment } from '../../config/environment.ts';
import { QcError } from '../../config/errors.ts';
import { httpSchema } from '../../config/http-schema.ts';
import { isLoopback } from '../../config/resolve.ts';
import { storageSchema } from '../../config/schema.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { openAudit } from '../audit/audit.ts';
import { buildServer } from '../http/app.ts';
import { openServer } from '../http/http.ts';
import { addAudit } from '../http/routes/audit.ts';
import { addConfig } from '../http/routes/config.ts';
import { addDocs } from '../http/routes/docs.ts';
import { addPage } from '../http/routes/page.ts';
import { addSetup } from '../http/routes/setup.ts';
import { createToken } from '../http/tokens.ts';
import { Closer } from '../lifecycle/closer.ts';
import type { Log } from '../lifecycle/log.ts';
import { addSecretLine } from '../settings/file.ts';
import { openDraft } from './draft.ts';
import { templateText } from './template.ts';
import { createSetupTools } from './tools.ts';

export interface FirstRunOptions {
  /** The configuration file, which does not exist yet. */
  readonly file: string;
  readonly env: Environment;
  readonly host: string;
  readonly port: number;
  readonly station: string;
  readonly log: Log;
  /** Called when the guide is served. @param token to log in; undefined on loopback */
  readonly onServed: (url: string, token: string | undefined) => void;
}

const tokensFile = 'tokens';
const pages = /^(setup|login)(\.html|\/)|^shared\/|^icon\.svg$/;

/** Resolves when the configuration is written and the server is closed; rejects with the reason of the signal. */
export async function runFirstSetup(options: FirstRunOptions, signal: AbortSignal): Promise<void> {
  const { file, env, host, port, station, log } = options;
  if (existsSync(file)) throw new QcError('setup-finished', `${file} exists already`);
  await using opened = new Closer();
  const folder = dirname(file);
  await makeFolders(folder);
  const token = isLoopback(host) ? undefined : await ownToken(folder);
  const template = templateText(station, host, port, token === undefined ? undefined : `./${tokensFile}`);
  const draft = await openDraft({ file, env, template });
  const storage = storageSchema.parse({ directory: join(folder, 'data') });
  const audit = opened.use(await openAudit(storage, { log, onFault: (text) => text && log.warn(text) }));
  const done = new AbortController();
  const tools = createSetupTools({
    view: { mode: 'first', file },
    known: draft.known,
    isRunning: false,
    finish: () => draft.finish(),
    start: () => done.abort(),
  });
  const http = httpSchema.parse({ host, port, ...(token && { tokensFile: join(folder, tokensFile) }) });
  const onNotice = () => undefined;
  const server = await openServer(http, { log, audit, onNotice }, (access, httpLog) =>
    buildServer(http, access, { station: 'setup', log: httpLog, audit }, async (routes) => {
      addConfig(routes, draft);
      addSetup(routes, tools);
      addAudit(routes, { audit });
      await addDocs(routes);
      await addPage(routes, (name) => pages.test(name));
      routes.get('/', { config: { role: 'open' }, schema: { hide: true } }, (_request, reply) =>
        reply.redirect('setup.html', 303),
      );
    }),
  );
  opened.use(server);
  options.onServed(server.url, token);
  await new Promise<void>((resolve, reject) => {
    // A signal during the start was not heard by the listener.
    signal.throwIfAborted();
    done.signal.addEventListener('abort', () => resolve());
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

/** A token for other machines; only its hash is stored, after those of tokens that exist already. */
async function ownToken(folder: string): Promise<string> {
  const { token, line } = createToken('setup', 'engineer');
  await addSecretLine(join(folder, tokensFile), line);
  return token;
}
