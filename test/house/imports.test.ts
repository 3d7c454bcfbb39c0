import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  codeOf,
  cyclesOf,
  files,
  graphOf,
  imports,
  layers,
  ownImports,
  shipped,
  textOf,
} from './import-graph.ts';

describe('the house rules', () => {
  it('reads the whole tree', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(ownImports.length).toBeGreaterThan(80);
  });

  it('imports only files that exist', () => {
    // Browser code may import files that the HTTP server generates.
    const missing = imports.filter(({ target }) => target.endsWith('.ts') && !files.includes(target));
    expect(missing).toEqual([]);
  });

  it('lets no lower layer import a higher one', () => {
    const rank = (path: string) => [...layers, 'test'].indexOf(path.split('/')[0] ?? '');
    const upward = ownImports.filter(({ file, target }) => rank(target) > rank(file));
    expect(upward).toEqual([]);
  });

  it('checks values from outside with config/check.ts alone, on which zod cannot throw', () => {
    const direct = shipped.filter(
      (file) => file !== 'config/check.ts' && textOf(file).includes('.safeParse('),
    );
    // Its input is the command line of a developer.
    expect(direct).toEqual(['agent/cli/options.ts']);
  });

  it('has no cycles between files, type imports included', () => {
    expect(cyclesOf(graphOf(ownImports.map(({ file, target }) => [file, target])))).toEqual([]);
  });

  it('has no cycles between folders', () => {
    const parents = new Set(shipped.flatMap((file) => parentsOf(file)));
    expect([...parents].flatMap((parent) => cyclesOf(graphOf(siblingsUnder(parent))))).toEqual([]);
  });

  it('imports onnxruntime only in the worker, and in a process that does nothing else', () => {
    expect(importersOf(/^onnxruntime-/)).toEqual([
      'models/run/head-sessions.ts',
      'models/run/onnx-session.ts',
      'models/run/session-graph.ts',
    ]);
  });

  it('keeps the command line in agent/cli', () => {
    const main = 'agent/main.ts';
    const isCli = (path: string) => path.startsWith('agent/cli/');
    const product = imports.filter(({ file }) => shipped.includes(file) && !isCli(file));
    expect([...new Set(product.filter(({ target }) => isCli(target)).map(({ file }) => file))]).toEqual([
      main,
    ]);
    expect(product.filter(({ target }) => target === 'commander').map(({ file }) => file)).toEqual([main]);
  });

  it('imports mqtt only in files that connect to a broker', () => {
    expect(importersOf(/^mqtt$/)).toEqual([
      // Benchmark and demo read their results like any other client of the broker.
      'agent/bench/results.ts',
      'agent/demo/demo.ts',
      'agent/publish/broker.ts',
      // Only types of it.
      'agent/publish/limits.ts',
      'agent/publish/link.ts',
    ]);
  });

  it('uses the process object only in the entry files of processes', () => {
    const users = shipped.filter((file) => /(?<![-.\w'"])process\.\w|'node:process'/.test(codeOf(file)));
    expect(users.filter((file) => !entries.includes(file))).toEqual([]);
  });
});

/**
 * Entry files of processes: the command line, the forked children, the generators; and others that need it, with the
 * reason.
 */
const entries = [
  'agent/cli/shell.ts',
  'agent/camera/node-av/child.ts',
  'agent/demo/line-process.ts',
  'agent/doctor/disk-child.ts',
  'agent/bench/world-process.ts',
  'agent/publish/outbox/examine-child.ts',
  'calibration/compare/memory-child.ts',
  'calibration/jobs/child.ts',
  'config/generate.ts',
  'agent/publish/generate.ts',
  'agent/http/generate.ts',
  'agent/demo/refresh-head.ts',
  'models/refresh-base.ts',
  'models/prepare/assemble.mjs',
  // The platform, which determines the native library, is a property of the process.
  'models/run/providers.ts',
  'models/run/int8-overflow.ts',
  'models/disk/durable.ts',
  // Native code reads the environment of the process.
  'models/run/session-graph.ts',
  // The cost of an inference is the CPU time of its process.
  'models/quantize/figures.ts',
  // Native inference must have ended before the process does.
  'models/run/worker.ts',
  // The platform of a compiled graph, and the process that makes it.
  'models/run/compiled.ts',
  // The environment of a forked decoder, without secrets.
  'config/child-environment.ts',
  // The measured runtime is a property of the process.
  'agent/bench/machine.ts',
  'models/run/memory.ts', // what the process may use of the memory, and what it uses
  'models/run/monotonic.ts', // the shared clock of processes
  'models/disk/lock.ts', // whether the process of a lock still runs
];

/** Files that ship and import the package. */
function importersOf(name: RegExp): string[] {
  const users = imports.filter(({ target }) => name.test(target)).map(({ file }) => file);
  return [...new Set(users)].filter((file) => shipped.includes(file)).sort();
}

/** The folders of a file, including the package root (an empty path). */
function parentsOf(file: string): string[] {
  const folder = dirname(file);
  return folder === '.' ? [''] : [folder, ...parentsOf(folder)];
}

/** Imports between folders in the same folder. Files directly in it are its main path and may import from all of them. */
function siblingsUnder(parent: string): (readonly [string, string])[] {
  const prefix = parent === '' ? '' : `${parent}/`;
  const childOf = (file: string) => {
    const rest = file.startsWith(prefix) ? file.slice(prefix.length).split('/') : [];
    return rest.length > 1 ? `${prefix}${rest[0]}` : undefined;
  };
  return ownImports.flatMap(({ file, target }) => {
    const [from, to] = [childOf(file), childOf(target)];
    return from !== undefined && to !== undefined && from !== to ? [[from, to] as const] : [];
  });
}
