/**
 * `npm run build`: compiles into a separate folder, then replaces only the files of `dist` that changed.
 * `dist` is never deleted, and a compile error leaves it unchanged: an agent that runs from it keeps its files.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

export class BuildError extends Error {}

/**
 * Builds the project in `root`.
 * @returns the files below `dist` that were written or deleted, relative to it
 * @throws BuildError if the compiler fails; it has printed the errors
 */
export function build(root = process.cwd()) {
  const dist = join(root, 'dist');
  // Next to `dist`, so that the relative paths in the source maps are right and a rename stays on one file system.
  const fresh = join(root, `.dist-${process.pid}`);
  try {
    const tsc = join(root, 'node_modules/.bin/tsc');
    const { status, error } = spawnSync(tsc, ['--outDir', fresh, '--noEmitOnError'], {
      cwd: root,
      stdio: 'inherit',
    });
    if (error) throw new BuildError(`the compiler did not start (${error.message}): run npm ci`);
    if (status !== 0) throw new BuildError('the compiler found errors; dist was not changed');
    return replace(fresh, dist);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Moves changed files from `fresh` to `dist`, and deletes files from `dist` that `fresh` does not have. */
function replace(fresh, dist) {
  const wanted = filesBelow(fresh);
  const changed = wanted.filter((file) => !same(join(fresh, file), join(dist, file)));
  for (const file of changed) {
    mkdirSync(dirname(join(dist, file)), { recursive: true });
    renameSync(join(fresh, file), join(dist, file));
  }
  const keep = new Set(wanted);
  const stale = filesBelow(dist).filter((file) => !keep.has(file));
  for (const file of stale) rmSync(join(dist, file));
  return [...changed, ...stale];
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1));
}

function same(one, other) {
  return existsSync(other) && readFileSync(one).equals(readFileSync(other));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    build();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(`build: ${error.message}`);
    process.exitCode = 1;
  }
}
