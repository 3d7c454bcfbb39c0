import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { App } from '../../../calibration/routes/route.ts';

const folder = fileURLToPath(new URL('../../../../agent/page/', import.meta.url));

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The files of the log-in page, served to everybody. */
const open = new Set([
  'login.html',
  'login/login.js',
  'login/login.css',
  'shared/base.css',
  'shared/dom.js',
  'icon.svg',
]);

/** Adds one route per file of `agent/page`. The files are few and small: they are read once and served from memory. */
export async function addPage(app: App): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const type = contentTypes[extname(entry.name)];
    if (!entry.isFile() || !type) continue;
    const file = join(entry.parentPath, entry.name);
    const name = relative(folder, file).replaceAll(sep, '/');
    const content = await readFile(file);
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
