/**
 * Cache of graphs that onnxruntime has optimised for this processor (`<cache>/<key>/`). They open in a tenth of the time, and
 * their weights are memory-mapped, so that all threads and processes share one copy.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { arch, pid } from 'node:process';
import { pipeline } from 'node:stream/promises';
import { threadId } from 'node:worker_threads';
import { z } from 'zod';
import { syncFile } from '../disk/durable.ts';
import { makeFolders } from '../disk/folders.ts';

/** Checksums of a cached graph; if they are missing or wrong, the graph is compiled again. */
const compiledSchema = z.strictObject({
  schema: z.literal(1),
  /** File name to sha256. */
  files: z.record(z.string(), z.string()),
});

const graphFile = 'model.onnx';
const weightsFile = 'weights.bin';
const listFile = 'compiled.json';

/** Number of most recently used graphs to keep: base, precision and runtime version rarely change. */
const maxGraphs = 4;
/** Age at which an incomplete graph is considered abandoned, ms. */
const maxDraftAgeMs = 3_600_000;

/** Writes the optimised graph to `graph` and its weights to the file of this name in the same folder. */
export type Compile = (graph: string, weights: string) => Promise<void>;

/**
 * Returns the path of the graph; compiles it if it is missing, damaged or of another identity.
 * @param identity everything that the graph depends on in addition to the processor: base, outputs, runtime
 * @throws errors of the file system and of `compile`; the base can then still run without a cached graph
 */
export async function openCompiled(
  cache: string,
  identity: readonly string[],
  compile: Compile,
): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify([...identity, await processor()]))
    .digest('hex')
    .slice(0, 16);
  const folder = join(cache, key);
  if (!(await isWhole(folder))) {
    await makeFolders(cache);
    const draft = join(cache, `${key}.draft-${pid}-${threadId}`);
    await rm(draft, { recursive: true, force: true });
    try {
      await mkdir(draft);
      await compile(join(draft, graphFile), weightsFile);
      await list(draft);
      // Mapped files are never overwritten: running processes keep the old ones.
      await rm(folder, { recursive: true, force: true });
      await rename(draft, folder);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      // Another process may have compiled it meanwhile.
      if (!(await isWhole(folder))) throw error;
    }
  }
  // The graph can be used even if the disk does not accept writes.
  const now = new Date();
  await utimes(folder, now, now)
    .then(() => tidy(cache, key))
    .catch(() => undefined);
  return join(folder, graphFile);
}

/** The optimised graph depends on the processor: blocked layouts depend on the vector width. */
async function processor(): Promise<string> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1] ?? '';
  return `${arch} ${cpus()[0]?.model} ${flags}`;
}

async function list(folder: string): Promise<void> {
  const files: Record<string, string> = {};
  for (const name of await readdir(folder)) {
    await syncFile(join(folder, name));
    files[name] = await hashOf(join(folder, name));
  }
  await writeFile(join(folder, listFile), `${JSON.stringify({ schema: 1, files })}\n`);
  await syncFile(join(folder, listFile));
}

async function isWhole(folder: string): Promise<boolean> {
  try {
    const { files } = compiledSchema.parse(JSON.parse(await readFile(join(folder, listFile), 'utf8')));
    for (const [name, sha256] of Object.entries(files)) {
      if (name !== basename(name) || (await hashOf(join(folder, name))) !== sha256) return false;
    }
    return files[graphFile] !== undefined;
  } catch {
    return false;
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Removes unused graphs; running processes keep their mappings. */
async function tidy(cache: string, used: string): Promise<void> {
  const found = await Promise.all(
    (await readdir(cache)).map(async (name) => ({
      name,
      usedAt: (await stat(join(cache, name)).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  );
  const drafts = found.filter(({ name }) => name.includes('.draft-'));
  const others = found
    .filter((one) => !drafts.includes(one) && one.name !== used)
    .sort((a, b) => b.usedAt - a.usedAt);
  const old = [
    ...others.slice(maxGraphs - 1),
    ...drafts.filter(({ usedAt }) => Date.now() - usedAt > maxDraftAgeMs),
  ];
  for (const { name } of old) await rm(join(cache, name), { recursive: true, force: true });
}
