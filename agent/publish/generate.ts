/** Writes the JSON Schema of every message to `deploy/schemas/`; `--check` only tells whether they are up to date. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import {
  commandMessages,
  handshakeMessage,
  replyMessage,
  resultMessage,
  statusMessage,
  verdictMessage,
  willMessage,
} from './messages.ts';

const folder = new URL('../../../deploy/schemas/', import.meta.url);

/** File name to content. */
export function messageSchemas(): Readonly<Record<string, string>> {
  const messages: Record<string, z.ZodType> = {
    status: statusMessage,
    will: willMessage,
    result: resultMessage,
    verdict: verdictMessage,
    reply: replyMessage,
    handshake: handshakeMessage,
  };
  for (const [name, schema] of Object.entries(commandMessages)) messages[`command-${name}`] = schema;
  return Object.fromEntries(
    Object.entries(messages).map(([name, schema]) => {
      const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' });
      return [`${name}.schema.json`, `${JSON.stringify({ $schema, title: name, ...rest }, null, 2)}\n`];
    }),
  );
}

/** Names of the files that differ from the generated ones. */
export async function staleSchemas(): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, content] of Object.entries(messageSchemas())) {
    const there = await readFile(new URL(name, folder), 'utf8').catch(() => undefined);
    if (there !== content) stale.push(name);
  }
  return stale;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    const stale = await staleSchemas();
    if (stale.length > 0) {
      console.error(`stale: ${stale.join(', ')}; run: node dist/agent/publish/generate.js`);
      process.exitCode = 1;
    }
  } else {
    await mkdir(folder, { recursive: true });
    for (const [name, content] of Object.entries(messageSchemas())) {
      await writeFile(new URL(name, folder), content);
    }
  }
}
