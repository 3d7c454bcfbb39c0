/** Imports between the project's own files, with type imports and browser code. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { packageRoot } from '../../config/package.ts';
import { sources } from './sources.ts';

export interface Import {
  readonly file: string;
  /** A path from the package root, or the name of a package. */
  readonly target: string;
}

/** Shipped folders, lowest layer first: a folder imports only from itself and from those before it. */
export const layers = ['config', 'models', 'calibration', 'agent'];

export const files = ['.ts', '.js', '.mjs'].flatMap((ending) => sources([...layers, 'test'], ending));
export const shipped = files.filter((file) => !file.startsWith('test/'));
export const imports = files.flatMap(importsOf);

const own = new Set(files);
/** Imports of the project's own files. */
export const ownImports = imports.filter(({ target }) => own.has(target));

export function textOf(file: string): string {
  return readFileSync(join(packageRoot, file), 'utf8');
}

/** The text without comments. */
export function codeOf(file: string): string {
  return textOf(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(?<!:)\/\/.*$/gm, '');
}

function importsOf(file: string): Import[] {
  const found = textOf(file).matchAll(
    /(?:^|\s)(?:import|export)\s[^;'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm,
  );
  return [...found].map((match) => {
    const name = match[1] ?? match[2] ?? match[3] ?? '';
    return {
      file,
      target: name.startsWith('.') ? relative(packageRoot, join(packageRoot, dirname(file), name)) : name,
    };
  });
}

/** Cycles in a directed graph, each as `a -> b -> a`; at least one if any exists. */
export function cyclesOf(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (node: string, path: readonly string[]): void => {
    if (path.includes(node)) {
      cycles.push([...path.slice(path.indexOf(node)), node].join(' -> '));
      return;
    }
    if (done.has(node)) return;
    for (const next of edges.get(node) ?? []) walk(next, [...path, node]);
    done.add(node);
  };
  for (const node of edges.keys()) walk(node, []);
  return cycles;
}

export function graphOf(pairs: Iterable<readonly [string, string]>): Map<string, Set<string>> {
  const edges = new Map<string, Set<string>>();
  for (const [from, to] of pairs) edges.set(from, (edges.get(from) ?? new Set()).add(to));
  return edges;
}
