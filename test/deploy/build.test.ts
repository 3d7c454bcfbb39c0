import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../config/package.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { until } from '../rigs/until.ts';

const tsconfig = {
  compilerOptions: { module: 'nodenext', outDir: 'dist', rootDir: '.', types: [] },
  include: ['agent'],
};

test('a build replaces changed files only, deletes old ones, and keeps dist after a compiler error', async () => {
  await using folder = await tempFolder();
  const at = (...names: string[]) => join(folder.path, ...names);
  const build = () =>
    spawnSync(process.execPath, [join(packageRoot, 'deploy/build.mjs')], {
      cwd: folder.path,
      encoding: 'utf8',
    });
  const inode = (name: string) => statSync(at('dist/agent', name)).ino;

  mkdirSync(at('agent'));
  symlinkSync(join(packageRoot, 'node_modules'), at('node_modules'));
  writeFileSync(at('package.json'), '{"type":"module"}');
  writeFileSync(at('tsconfig.json'), JSON.stringify(tsconfig));
  writeFileSync(at('agent/one.ts'), 'export const one = 1;\n');
  writeFileSync(at('agent/two.ts'), 'export const two = 2;\n');
  expect(build().status).toBe(0);
  const [one, two] = [inode('one.js'), inode('two.js')];

  writeFileSync(at('agent/two.ts'), 'export const two = 22;\n');
  writeFileSync(at('dist/agent/gone.js'), '');
  expect(build().status).toBe(0);
  expect(inode('one.js')).toBe(one);
  expect(inode('two.js')).not.toBe(two);
  expect(readFileSync(at('dist/agent/two.js'), 'utf8')).toContain('22');
  expect(existsSync(at('dist/agent/gone.js'))).toBe(false);

  writeFileSync(at('agent/two.ts'), 'export const two: string = 3;\n');
  const { status, stderr } = build();
  expect(status).toBe(1);
  expect(stderr).toContain('build: the compiler found errors; dist was not changed');
  expect(readFileSync(at('dist/agent/two.js'), 'utf8')).toContain('22');
  expect(readdirSync(folder.path).filter((name) => name.startsWith('.dist'))).toEqual([]);
});

test('npm run dev restarts the agent after each change that compiles, and ends it when it ends', async () => {
  await using folder = await tempFolder();
  const at = (...names: string[]) => join(folder.path, ...names);
  for (const name of ['config', 'models', 'calibration', 'agent', 'test']) mkdirSync(at(name));
  symlinkSync(join(packageRoot, 'node_modules'), at('node_modules'));
  writeFileSync(at('package.json'), '{"type":"module"}');
  writeFileSync(at('tsconfig.json'), JSON.stringify(tsconfig));
  const write = (source: string) => writeFileSync(at('agent/main.ts'), source);
  const program = (turn: number) => `console.log('turn ${turn}'); setInterval(() => undefined, 1_000);\n`;
  write(program(1));

  const watch = spawn(process.execPath, [join(packageRoot, 'deploy/watch.mjs'), 'run'], {
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [watch.stdout, watch.stderr]) stream.on('data', (data) => (said += data));
  try {
    await until(() => said.includes('turn 1'), { timeoutMs: 60_000 });
    write('const wrong: string = 2;\n');
    await until(() => said.includes('dist was not changed'), { timeoutMs: 60_000 });
    write(program(3));
    await until(() => said.includes('turn 3'), { timeoutMs: 60_000 });
  } finally {
    watch.kill('SIGTERM');
  }
  const [code] = await once(watch, 'exit');
  expect(code).toBe(0);
}, 200_000);
