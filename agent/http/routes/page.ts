import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { App } from '../deps.ts';

const folder = new URL('../../../../agent/page/', import.meta.url);

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** What the log-in page consists of. */
const open = new Set(['login.html', 'login.js', 'login.css', 'page.css', 'icon.svg']);

/** The operator's page: a few small files, read once and served from memory. */
export async function addPage(app: App): Promise<void> {
  for (const name of await readdir(folder)) {
    const type = contentTypes[extname(name)];
    if (!type) continue;
    const content = await readFile(new URL(name, folder));
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 27)}"`;
    const path = name === 'index.html' ? '/' : `/${name}`;
    const config = {
      role: open.has(name) ? ('open' as const) : ('viewer' as const),
      page: extname(name) === '.html',
    };
    app.get(path, { config, schema: { hide: true } }, (request, reply) => {
      reply.header('etag', etag).header('cache-control', 'no-cache');
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.type(type).send(content);
    });
  }
}
