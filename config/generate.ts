/**
 * Writes the files generated from the schema: `node dist/config/generate.js`.
 * With `--check` it writes nothing and fails if a committed file is not up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { referenceText, schemaText } from './reference.ts';

const folder = new URL('../../config/', import.meta.url);
const files = { 'agent.schema.json': schemaText(), 'reference.md': referenceText() };
const stale: string[] = [];

for (const [name, text] of Object.entries(files)) {
  const file = new URL(name, folder);
  if (!argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) stale.push(`config/${name}`);
}
if (stale.length > 0) throw new Error(`${stale.join(' and ')} not fresh: npm run generate`);
