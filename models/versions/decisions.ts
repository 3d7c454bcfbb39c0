/** Who let which head judge, and why: `<storage>/models/decisions.jsonl`, only ever added to. */
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { makeFolders } from '../disk/folders.ts';
import { readLines } from '../disk/lines.ts';
import type { HeadManifest } from '../manifest.ts';

const decisionSchema = z.strictObject({
  schema: z.literal(1),
  at: z.iso.datetime(),
  by: z.string().min(1).max(200),
  version: z.string(),
  action: z.enum(['promote', 'override', 'rollback', 'discard']),
  reason: z.string().max(500).optional().describe('why, in the words of who decided'),
});
export type Decision = z.output<typeof decisionSchema>;

/** Bytes. */
const longestDecision = 100_000;

const fileOf = (storageDirectory: string) => join(storageDirectory, 'models', 'decisions.jsonl');

/** Durable once it resolves. */
export async function recordDecision(
  storageDirectory: string,
  decision: Omit<Decision, 'schema' | 'at'>,
): Promise<void> {
  const file = fileOf(storageDirectory);
  await makeFolders(dirname(file));
  const handle = await open(file, 'a+');
  try {
    const line: Decision = { schema: 1, at: new Date().toISOString(), ...decision };
    // Half a line of an earlier attempt must not swallow this one.
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    const isTorn = bytesRead > 0 && buffer[0] !== 0x0a;
    await handle.appendFile(`${isTorn ? '\n' : ''}${JSON.stringify(line)}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Oldest first; damaged lines are passed over. */
export async function readDecisions(storageDirectory: string): Promise<Decision[]> {
  const { lines } = await readLines(fileOf(storageDirectory), longestDecision).catch(() => ({ lines: [] }));
  return lines.flatMap((line) => {
    try {
      return line ? [decisionSchema.parse(JSON.parse(line.toString('utf8')))] : [];
    } catch {
      return [];
    }
  });
}

/**
 * Refuses a version that its gate refused, or whose gate compared it with another head than the one that judges now. A version
 * without a gate, such as one that was made elsewhere, and one that has judged before are the operator's to choose.
 * @param active what judges now
 * @param history what judged before
 */
export function requireAllowed(
  { version, training }: HeadManifest,
  active: string | undefined,
  history: readonly string[],
): void {
  if (version === active || history.includes(version) || typeof training.allowed !== 'boolean') return;
  if (!training.allowed) {
    throw new QcError(
      'gate-refused',
      `${version} may not take over: ${training.gate ?? 'its gate refused it'}`,
    );
  }
  const against = training.against;
  if (typeof against === 'string' && against !== (active ?? 'none')) {
    throw new QcError(
      'gate-refused',
      `${version} was compared with ${against}, but ${active ?? 'none'} is active now`,
      { remedy: 'train again, so that it is compared with the active head' },
    );
  }
}
