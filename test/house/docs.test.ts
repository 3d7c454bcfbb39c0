import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { stageNames } from '../../agent/publish/messages.ts';
import { packageRoot } from '../../config/package.ts';
import { sources } from './sources.ts';

const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...sources(['config', 'models', 'calibration', 'agent', 'deploy', 'docs'], '.md'),
];

it('every link of the documentation leads somewhere', () => {
  const broken = pages.flatMap((page) => {
    const text = readFileSync(join(packageRoot, page), 'utf8');
    return [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1] ?? '')
      .filter((link) => !/^(https?|mailto):/.test(link))
      .filter((link) => !existsSync(join(packageRoot, dirname(page), link)))
      .map((link) => `${page}: ${link}`);
  });
  expect(broken).toEqual([]);
});

it('every documented global installation leaves install scripts out: they download from the internet', () => {
  const commands = pages.flatMap((page) =>
    readFileSync(join(packageRoot, page), 'utf8').match(/npm (install|i) (--global|-g)[^\n`]*/g),
  );
  const installs = commands.filter((command) => command !== null);
  expect(installs.length).toBeGreaterThan(0);
  expect(installs.filter((command) => !command.includes('--ignore-scripts'))).toEqual([]);
});

it('the README names every dependency once, with a reason', () => {
  const { dependencies } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
  const rows = readme.split('\n').filter((line) => line.startsWith('| `'));
  const unnamed = Object.keys(dependencies).filter(
    (name) => !rows.some((row) => row.includes(`\`${name}\``)),
  );
  expect(unnamed).toEqual([]);
});

it('the waterfall of the documentation shows every stage there is', () => {
  const svg = readFileSync(join(packageRoot, 'docs/waterfall.svg'), 'utf8');
  expect(stageNames.filter((stage) => !svg.includes(`>${stage}</text>`))).toEqual([]);
});
