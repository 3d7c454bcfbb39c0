/** Record of promotions, rollbacks and discards with author and reason: `<storage>/models/decisions.jsonl`, append-only. */
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
  reason: z.string().max(500).optional().describe('reason given by the person who decided'),
});
export type Decision = z.output<typeof decisionSchema>;

/** Maximum length of a line, bytes. */
const maxLineBytes = 100_000;

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
    // If an earlier attempt left an incomplete line, this one must start on a new line.
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    const isTorn = bytesRead > 0 && buffer[0] !== 0x0a;
    await handle.appendFile(`${isTorn ? '\n' : ''}${JSON.stringify(line)}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Oldest first; damaged lines are skipped. */
export async function readDecisions(storageDirectory: string): Promise<Decision[]> {
  const { lines } = await readLines(fileOf(storageDirectory), maxLineBytes).catch(() => ({ lines: [] }));
  return lines.flatMap((line) => {
    try {
      return line ? [decisionSchema.parse(JSON.parse(line.toString('utf8')))] : [];
    } catch {
      return [];
    }
  });
}

/**
 * Refuses a version that its gate refused, or that its gate compared with a different version than the active one. Versions
 * without a gate result, such as those made elsewhere, and versions that were active before are always allowed.
 * @param active the active version
 * @param history versions that were active before
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
      `${version} may not be promoted: ${training.gate ?? 'its gate refused it'}`,
    );
  }
  const against = training.against;
  if (typeof against === 'string' && against !== (active ?? 'none')) {
    throw new QcError(
      'gate-refused',
      `${version} was compared with ${against}, but ${active ?? 'none'} is active now`,
      { remedy: 'train again, so that the new version is compared with the active one' },
    );
  }
}
