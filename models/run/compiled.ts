/**
 * A base as onnxruntime has optimised it for this processor, kept on disk (`<cache>/<key>/`). It opens in a tenth of the
 * time, and its weights are mapped from the file, so that all threads and processes that run it share one copy.
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

/** What lies beside the graph: without it, or where it does not fit, the graph is made anew. */
const compiledSchema = z.strictObject({
  schema: z.literal(1),
  /** File name to sha256. */
  files: z.record(z.string(), z.string()),
});

const graphFile = 'model.onnx';
const weightsFile = 'weights.bin';
const listFile = 'compiled.json';

/** Graphs that are kept, the most recently used ones: base, precision and version of the runtime change seldom. */
const mostKept = 4;
/** What a process that died over it left behind, ms. */
const oldDraft = 3_600_000;

/** Writes the optimised graph to `graph` and its weights to the file of this name beside it. */
export type Compile = (graph: string, weights: string) => Promise<void>;

/**
 * The graph's path. One that is damaged, or of another identity, is made anew.
 * @param identity all that the graph depends on besides this processor: base, outputs, runtime
 * @throws what the file system and `compile` throw; the base then runs as well without
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
      // Files that are mapped are never written to: what runs keeps its own until it ends.
      await rm(folder, { recursive: true, force: true });
      await rename(draft, folder);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      // Another process may have made it meanwhile.
      if (!(await isWhole(folder))) throw error;
    }
  }
  // A disk that takes nothing just now does not keep the graph from being used.
  const now = new Date();
  await utimes(folder, now, now)
    .then(() => tidy(cache, key))
    .catch(() => undefined);
  return join(folder, graphFile);
}

/** What the optimised graph is made for: blocked layouts depend on the width of the vector unit. */
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

/** Removes what is not used any more; what still runs elsewhere keeps its mapping. */
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
    ...others.slice(mostKept - 1),
    ...drafts.filter(({ usedAt }) => Date.now() - usedAt > oldDraft),
  ];
  for (const { name } of old) await rm(join(cache, name), { recursive: true, force: true });
}
