import { readdir, readFile } from 'node:fs/promises';
import { dirname, extname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Marked } from 'marked';
import type { App } from '../../../calibration/routes/route.ts';

const folder = fileURLToPath(new URL('../../../../docs/', import.meta.url));
const config = { role: 'viewer' as const, page: true };
const imageTypes: Readonly<Record<string, string>> = { '.png': 'image/png', '.svg': 'image/svg+xml' };

/** Serves the manual, `docs/*.md`, as pages: for stations without internet access. A page is converted at its first request. */
export async function addDocs(app: App): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'));
  const known = new Set(files);
  for (const name of files) {
    const type = imageTypes[extname(name)];
    if (type !== undefined) {
      app.get(`/docs/${name}`, { config: { role: 'viewer' }, schema: { hide: true } }, async (_, reply) =>
        reply.type(type).send(await readFile(join(folder, name))),
      );
    }
    if (!name.endsWith('.md')) continue;
    let page: Promise<string> | undefined;
    app.get(`/docs/${htmlName(name)}`, { config, schema: { hide: true } }, async (_, reply) => {
      page ??= readFile(join(folder, name), 'utf8').then((text) => pageOf(name, text, known));
      const html = await page.catch((error: unknown) => {
        // The next request reads the file again.
        page = undefined;
        throw error;
      });
      return reply.type('text/html; charset=utf-8').header('cache-control', 'no-cache').send(html);
    });
  }
}

const htmlName = (name: string) => name.replace(/\.md$/, '.html');

/** A page of the manual as HTML. `known`: files of the manual; a link to anything else in the repository becomes plain text. */
export function pageOf(name: string, markdown: string, known: ReadonlySet<string>): string {
  const anchors = new Map<string, number>();
  const targetOf = (href: string) => {
    if (/^(https?:|#)/.test(href)) return href;
    const [path = '', anchor] = href.split('#');
    if (!known.has(posix.join(dirname(name), path))) return undefined;
    return htmlName(path) + (anchor === undefined ? '' : `#${anchor}`);
  };
  const marked = new Marked({
    renderer: {
      // No raw HTML reaches the page.
      html: ({ text }) => escaped(text),
      heading({ tokens, depth, text }) {
        return `<h${depth} id="${anchorOf(text, anchors)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        const target = targetOf(href);
        if (target === undefined) return text;
        const other = /^https?:/.test(target) ? ' target="_blank" rel="noopener noreferrer"' : '';
        return `<a href="${escaped(target)}"${other}>${text}</a>`;
      },
      image({ href, text }) {
        const target = targetOf(href);
        return target === undefined ? escaped(text) : `<img src="${escaped(target)}" alt="${escaped(text)}">`;
      },
      table(token) {
        const cells = (row: typeof token.header, tag: string) =>
          row.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`).join('');
        const body = token.rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('\n');
        return `<div class="wide" tabindex="0" role="group" aria-label="Table"><table><thead><tr>${cells(token.header, 'th')}</tr></thead><tbody>${body}</tbody></table></div>\n`;
      },
      code: ({ text }) =>
        `<pre tabindex="0" role="group" aria-label="Code"><code>${escaped(text)}</code></pre>\n`,
    },
  });
  const content = marked.parse(markdown, { async: false });
  const title = /^# (.*)$/m.exec(markdown)?.[1] ?? name;
  const top = '../'.repeat(name.split('/').length);
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${escaped(title.replaceAll('`', ''))}</title>
    <link rel="icon" href="${top}icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="${top}shared/base.css">
    <link rel="stylesheet" href="${top}shared/layout.css">
    <link rel="stylesheet" href="${top}shared/manual.css">
    <script type="module" src="${top}shared/theme.js"></script>
  </head>
  <body>
    <header class="bar"><a class="back" href="${top}">← Line</a><p class="bar-station">Manual</p></header>
    <main class="manual">
${content}
    </main>
  </body>
</html>
`;
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string) => text.replace(/[&<>"]/g, (one) => escapes[one] ?? one);

/** The anchor that GitHub gives to a heading; a repeated one gets a number. */
function anchorOf(heading: string, used: Map<string, number>): string {
  const anchor = heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
  const count = used.get(anchor) ?? 0;
  used.set(anchor, count + 1);
  return count === 0 ? anchor : `${anchor}-${count}`;
}
