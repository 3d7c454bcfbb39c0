/** Writes the OpenAPI document to `deploy/openapi.json`; `--check` only says whether it is up to date. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { Calibration } from '../../calibration/calibration.ts';
import { httpSchema } from '../../config/http-schema.ts';
import type { Settings } from '../settings/settings.ts';
import { buildApp } from './app.ts';
import type { HttpDeps } from './deps.ts';
import { createRecent } from './recent.ts';
import type { SetupTools } from './setup-tools.ts';

const file = new URL('../../../deploy/openapi.json', import.meta.url);

/** The document as JSON text. */
async function openApiDocument(): Promise<string> {
  const none = () => {
    throw new Error('this only describes the routes; none is called');
  };
  const deps: HttpDeps = {
    station: 'any',
    log: pino({ level: 'silent' }),
    metrics: { contentType: 'text/plain', text: none },
    recent: createRecent(),
    past: { picture: none, result: none, map: none },
    evidence: { list: none },
    statistics: { report: none, changes: none, downtime: none },
    commands: { trigger: none, acknowledge: none, abort: none, mode: none, recipe: none, challenge: none },
    challenge: none,
    handshakes: none,
    job: none,
    recipes: none,
    status: none,
    readiness: none,
    cameras: none,
    aim: none,
    classify: none,
    watch: none,
    onNotice: none,
    audit: { record: none, ready: none, read: none },
    setup: new Proxy({} as SetupTools, { get: () => none }),
    settings: new Proxy({} as Settings, { get: () => none }),
    calibration: new Proxy({} as Calibration, { get: () => none }),
  };
  const app = await buildApp(httpSchema.parse({}), {}, deps);
  const document = JSON.stringify(app.swagger(), null, 2);
  await app.close();
  return `${document}\n`;
}

export async function isOpenApiFresh(): Promise<boolean> {
  const there = await readFile(file, 'utf8').catch(() => undefined);
  return there === (await openApiDocument());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes('--check')) {
    await writeFile(file, await openApiDocument());
  } else if (!(await isOpenApiFresh())) {
    console.error('stale: deploy/openapi.json; run: node dist/agent/http/generate.js');
    process.exitCode = 1;
  }
}
