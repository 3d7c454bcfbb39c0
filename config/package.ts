import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The package's own folder, two levels above the compiled files: models, pages and schemas are found from here. */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

/** Version of the agent, from package.json. */
export const version: string = (
  JSON.parse(readFileSync(`${packageRoot}package.json`, 'utf8')) as { version: string }
).version;
