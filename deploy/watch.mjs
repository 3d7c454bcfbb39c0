/**
 * Builds whenever a source file changes, then runs a command:
 *
 *   node deploy/watch.mjs run ARGS…    an agent, restarted after each build (npm run dev)
 *   node deploy/watch.mjs test ARGS…   the fast tests that are affected by the change (npm run test:watch)
 *
 * A change that does not compile is reported; the previous agent continues.
 */
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { BuildError, build } from './build.mjs';

const [mode, ...args] = process.argv.slice(2);
if (mode !== 'run' && mode !== 'test') {
  console.error('usage: node deploy/watch.mjs run|test [ARGS…]');
  process.exit(2);
}
/** Wait for further changes, ms. */
const settleMs = 200;

let child;
let stopping = false;

/** @returns the files of `dist` that changed, or undefined if it does not compile */
function tryBuild() {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(`watch: ${error.message}`);
    return undefined;
  }
}

function start(command, rest) {
  child = spawn(command, rest, { stdio: 'inherit' });
  const started = child;
  child.on('exit', (code) => {
    if (started !== child) return;
    child = undefined;
    if (!stopping) console.error(`watch: ended with exit code ${code}; waiting for a change`);
  });
}

/** Ends the child and waits for its exit. */
async function stop() {
  if (!child) return;
  const ending = child;
  child = undefined;
  const ended = new Promise((resolve) => ending.once('exit', resolve));
  ending.kill('SIGTERM');
  await ended;
}

function startAgent() {
  start(process.execPath, ['dist/agent/main.js', ...(args.length > 0 ? args : ['demo'])]);
}

function startTests(changed) {
  const files = changed.filter((file) => file.endsWith('.js')).map((file) => join('dist', file));
  if (files.length > 0)
    start('npx', [
      'vitest',
      'related',
      '--run',
      '--project',
      'parts',
      '--passWithNoTests',
      ...args,
      ...files,
    ]);
}

async function onChange() {
  const changed = tryBuild();
  if (!changed || changed.length === 0) return;
  await stop();
  if (stopping) return;
  if (mode === 'run') startAgent();
  else startTests(changed);
}

if (tryBuild() && mode === 'run') startAgent();
if (mode === 'test') console.error('watch: save a source file to run the affected tests');

let timer;
let queue = Promise.resolve();
for (const folder of ['config', 'models', 'calibration', 'agent', 'test']) {
  watch(folder, { recursive: true }, (_event, file) => {
    if (!file?.endsWith('.ts')) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      queue = queue.then(onChange);
    }, settleMs);
  });
}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, async () => {
    stopping = true;
    await stop();
    process.exit(0);
  });
}
