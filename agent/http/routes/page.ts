import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { App } from '../../../calibration/routes/route.ts';

const folder = fileURLToPath(new URL('../../../../agent/page/', import.meta.url));

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
};

/** The files of the log-in page, served to everybody. */
const open = new Set([
  'login.html',
  'login/login.js',
  'login/login.css',
  'shared/base.css',
  'shared/controls.css',
  'shared/layout.css',
  'shared/dialog.js',
  'shared/dom.js',
  'shared/help.js',
  'shared/language.js',
  'shared/page-tools.js',
  'shared/theme.js',
  'icon.svg',
]);
const languages = 'languages/';

/**
 * Adds one route per file of `agent/page`, and one that lists the languages. The files are few and small: they are read once
 * and served from memory.
 * @param serves which of them; default: all
 */
export async function addPage(app: App, serves: (name: string) => boolean = () => true): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && extname(entry.name) in contentTypes)
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ file, name: relative(folder, file).replaceAll(sep, '/') }))
    .filter(({ name }) => name.startsWith(languages) || (!name.endsWith('.json') && serves(name)));
  for (const { file, name } of files) addFile(app, name, await readFile(file));
  const tags = files
    .filter(({ name }) => name.startsWith(languages))
    .map(({ file }) => basename(file, '.json'));
  addFile(app, `${languages}index.json`, Buffer.from(JSON.stringify(tags.sort())));
}

function addFile(app: App, name: string, content: Buffer): void {
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 27)}"`;
  const path = name === 'index.html' ? '/' : `/${name}`;
  const isOpen = open.has(name) || name.startsWith(languages);
  const config = { role: isOpen ? ('open' as const) : ('viewer' as const), page: extname(name) === '.html' };
  app.get(path, { config, schema: { hide: true } }, (request, reply) => {
    reply.header('etag', etag).header('cache-control', 'no-cache');
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.type(contentTypes[extname(name)] ?? 'application/octet-stream').send(content);
  });
}
