import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../config/package.ts';
import { sources } from './sources.ts';

/** Lowest first: a folder imports only from itself and from those before it. */
const layers = ['config', 'models', 'calibration', 'agent', 'test'];

interface Import {
  readonly file: string;
  readonly target: string;
}

const files = sources(['config', 'models', 'calibration', 'agent', 'test'], '.ts');

function importsOf(file: string): Import[] {
  const text = readFileSync(join(packageRoot, file), 'utf8');
  const found = text.matchAll(
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

const imports = files.flatMap(importsOf);
const own = new Set(files);

describe('the house rules', () => {
  it('reads a tree worth checking', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.filter((i) => own.has(i.target)).length).toBeGreaterThan(80);
  });

  it('imports only files that exist', () => {
    const missing = imports.filter((i) => i.target.endsWith('.ts') && !own.has(i.target));
    expect(missing).toEqual([]);
  });

  it('lets no lower layer import a higher one', () => {
    const rank = (path: string) => layers.indexOf(path.split('/')[0] ?? '');
    const upward = imports.filter((i) => own.has(i.target) && rank(i.target) > rank(i.file));
    expect(upward).toEqual([]);
  });

  it('checks values from outside with config/check.ts alone, on which zod cannot throw', () => {
    const direct = files.filter(
      (file) =>
        !file.startsWith('test/') &&
        file !== 'config/check.ts' &&
        readFileSync(join(packageRoot, file), 'utf8').includes('.safeParse('),
    );
    // Its input is the command line of whoever starts it.
    expect(direct).toEqual(['agent/cli/options.ts']);
  });

  it('has no import cycles, type imports included', () => {
    const edges = new Map<string, string[]>();
    for (const { file, target } of imports)
      if (own.has(target)) edges.set(file, [...(edges.get(file) ?? []), target]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (file: string, path: string[]): void => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
        return;
      }
      if (done.has(file)) return;
      for (const target of edges.get(file) ?? []) walk(target, [...path, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(cycles).toEqual([]);
  });

  it('imports onnxruntime only where it runs: in the worker, and in a process that does nothing else', () => {
    const users = new Set(imports.filter((i) => i.target.startsWith('onnxruntime-')).map((i) => i.file));
    expect([...users].filter((file) => !file.startsWith('test/')).sort()).toEqual([
      'models/run/head-sessions.ts',
      'models/run/onnx-session.ts',
      'models/run/session-graph.ts',
    ]);
  });

  it('keeps the command line in agent/cli', () => {
    const main = 'agent/main.ts';
    const isCli = (path: string) => path.startsWith('agent/cli/');
    const product = imports.filter(({ file }) => !file.startsWith('test/') && !isCli(file));
    expect([...new Set(product.filter(({ target }) => isCli(target)).map(({ file }) => file))]).toEqual([
      main,
    ]);
    expect(product.filter(({ target }) => target === 'commander').map(({ file }) => file)).toEqual([main]);
  });

  it('uses the process object only where a process begins', () => {
    const users = files
      .filter((file) => !file.startsWith('test/'))
      .filter((file) =>
        /(?<![-.\w'"])process\.\w|'node:process'/.test(
          withoutComments(readFileSync(join(packageRoot, file), 'utf8')),
        ),
      );
    expect(users.filter((file) => !entries.includes(file))).toEqual([]);
  });
});

/**
 * Files that a process starts with: the command line, the forked children, the generators; and those that
 * cannot do their work without it, with the reason.
 */
const entries = [
  'agent/cli/shell.ts',
  'agent/camera/node-av/child.ts',
  'agent/demo/line-process.ts',
  'agent/doctor/disk-child.ts',
  'agent/bench/world-process.ts',
  'agent/publish/outbox/examine-child.ts',
  'calibration/jobs/child.ts',
  'config/generate.ts',
  'agent/publish/generate.ts',
  'agent/http/generate.ts',
  'agent/demo/refresh-head.ts',
  'models/refresh-base.ts',
  // Which native library fits: the platform is a property of the process.
  'models/run/providers.ts',
  'models/run/int8-overflow.ts',
  'models/disk/durable.ts',
  // Native code reads the environment of the process.
  'models/run/session-graph.ts',
  // What an inference costs is the CPU time of its process.
  'models/quantize/figures.ts',
  // Native inference must have ended before the process does.
  'models/run/worker.ts',
  // What a compiled graph is made for, and who makes it.
  'models/run/compiled.ts',
  // What a forked decoder may see of the environment: no secrets.
  'config/child-environment.ts',
  // Which runtime is measured is a property of the process.
  'agent/bench/machine.ts',
  'models/run/monotonic.ts', // the clock that processes share
  'models/disk/lock.ts', // whether the process that left a lock still runs
];

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}
