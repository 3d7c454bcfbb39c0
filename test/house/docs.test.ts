import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { stageNames } from '../../agent/publish/messages.ts';
import { packageRoot } from '../../config/package.ts';
import { sources } from './sources.ts';

const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...sources(['config', 'models', 'calibration', 'agent', 'deploy', 'docs'], '.md'),
];

it('the README is short: other content is in separate pages', () => {
  expect(readFileSync(join(packageRoot, 'README.md')).length).toBeLessThanOrEqual(7_000);
});

it('every page is in the index of the README', () => {
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
  const missing = sources(['docs'], '.md').filter(
    (page) => !page.startsWith('docs/decisions/') && !readme.includes(`](${page})`),
  );
  expect(missing).toEqual([]);
});

it('docs/architecture.md names every folder', () => {
  const text = readFileSync(join(packageRoot, 'docs/architecture.md'), 'utf8');
  const folders = ['config', 'models', 'calibration', 'agent'].flatMap((layer) =>
    sources([layer], '.ts').map((file) => dirname(file)),
  );
  const deploy = readdirSync(join(packageRoot, 'deploy'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const unnamed = [...new Set([...folders, ...deploy])].filter(
    (folder) => !text.includes(`\`${basename(folder)}/\``) && !text.includes(`/${basename(folder)}/\``),
  );
  expect(folders.length).toBeGreaterThan(100);
  expect(unnamed).toEqual([]);
});

it('every link of the documentation leads somewhere', () => {
  const broken = pages.flatMap((page) => {
    const text = readFileSync(join(packageRoot, page), 'utf8');
    return [...text.matchAll(/\]\(([^)#\s]*)(?:#([^)]*))?\)/g)]
      .filter(([, link]) => !/^(https?|mailto):/.test(link ?? ''))
      .filter(([, link = '', anchor]) => {
        const target = link === '' ? page : join(dirname(page), link);
        if (!existsSync(join(packageRoot, target))) return true;
        return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).includes(anchor);
      })
      .map(([, link, anchor]) => `${page}: ${link}${anchor === undefined ? '' : `#${anchor}`}`);
  });
  expect(broken).toEqual([]);
});

it('every documented global installation disables install scripts, which download from the internet', () => {
  const commands = pages.flatMap((page) =>
    readFileSync(join(packageRoot, page), 'utf8').match(/npm (install|i) (--global|-g)[^\n`]*/g),
  );
  const installs = commands.filter((command) => command !== null);
  expect(installs.length).toBeGreaterThan(0);
  expect(installs.filter((command) => !command.includes('--ignore-scripts'))).toEqual([]);
});

it('docs/dependencies.md names every dependency once, with a reason', () => {
  const { dependencies } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const page = readFileSync(join(packageRoot, 'docs/dependencies.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const unnamed = Object.keys(dependencies).filter(
    (name) => !rows.some((row) => row.includes(`\`${name}\``)),
  );
  expect(unnamed).toEqual([]);
});

it('the code map names only files and folders that exist', () => {
  const text = readFileSync(join(packageRoot, 'docs/architecture.md'), 'utf8');
  const map = text.slice(text.indexOf('## Code map'), text.indexOf('## Invariants'));
  const named = map.split(/^### /m).flatMap((section) => {
    const folder = /^`([a-z]+)\/`/.exec(section)?.[1] ?? '';
    const cells = [...section.matchAll(/^\| (`[^|]*) \|/gm)].map((match) => match[1] ?? '');
    return cells.flatMap((cell) =>
      [...cell.matchAll(/`([^`]+)`/g)].map((match) => join(folder, match[1] ?? '')),
    );
  });
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((path) => !existsSync(join(packageRoot, path)))).toEqual([]);
});

it('the waterfall of the documentation shows every stage', () => {
  const svg = readFileSync(join(packageRoot, 'docs/waterfall.svg'), 'utf8');
  expect(stageNames.filter((stage) => !svg.includes(`>${stage}</text>`))).toEqual([]);
});

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): string[] {
  const text = readFileSync(join(packageRoot, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}
