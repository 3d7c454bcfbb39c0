/** A line of the audit log: who changed what, when, from where, and the outcome. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { check } from '../../config/check.ts';

export const outcomes = ['done', 'refused', 'failed'] as const;

const fact = z.union([z.string().max(500), z.number(), z.boolean(), z.null()]);

export const auditDraft = z.strictObject({
  who: z.string().min(1).max(300).describe('token:<name>, mqtt:<topic>, cli:<user>, local, nobody or agent'),
  role: z.enum(['viewer', 'operator', 'engineer']).nullable().describe('null if no token was needed'),
  from: z.string().max(300).describe('address, or the interface it came through'),
  action: z.string().min(1).max(100),
  what: z.record(z.string().max(100), fact).describe('the facts of the change'),
  outcome: z.enum(outcomes),
  code: z.string().max(100).nullable().describe('why it was refused or failed'),
});

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const auditEntry = z.strictObject({
  schema: z.literal(1),
  sequence: z.number().int().positive(),
  at: z.iso.datetime({ precision: 3 }).describe('UTC, ms'),
  ...auditDraft.shape,
  previous: sha256.describe('hash of the previous line; zeros in the first line'),
  hash: sha256.describe('sha256 of this line up to this field'),
});

export type AuditDraft = z.output<typeof auditDraft>;
export type AuditEntry = z.output<typeof auditEntry>;

/** Previous hash of the first line. */
export const noHash = '0'.repeat(64);

/** The next line, without its line end. Never throws: if a draft does not fit the schema, its facts are left out. */
export function nextLine(draft: AuditDraft, sequence: number, previous: string, at: Date): string {
  const { who, role, from, action, what, outcome, code } = fitting(draft);
  const facts = { who, role, from, action, what, outcome, code };
  const text = JSON.stringify({ schema: 1, sequence, at: at.toISOString(), ...facts, previous }).slice(0, -1);
  return `${text},"hash":"${hashOf(text)}"}`;
}

/** The draft adapted to the schema, so that one that does not fit cannot block others. */
function fitting(draft: AuditDraft): AuditDraft {
  const checked = check(auditDraft, draft);
  if (checked.success) return checked.data;
  const text = (value: unknown, length: number) =>
    typeof value === 'string' && value !== '' ? value.slice(0, length) : 'unknown';
  const { who, role, from, action, outcome, code } = draft;
  return {
    who: text(who, 300),
    role: auditDraft.shape.role.catch(null).parse(role),
    from: text(from, 300),
    action: text(action, 100),
    what: { leftOut: 'the facts could not be recorded' },
    outcome: auditDraft.shape.outcome.catch('failed').parse(outcome),
    code: typeof code === 'string' ? code.slice(0, 100) : null,
  };
}

/** Parses a line; undefined if it is not an entry or its hash is wrong. */
export function readLine(line: string): AuditEntry | undefined {
  const [, text, hash] = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/.exec(line) ?? [];
  if (text === undefined || hashOf(text) !== hash) return undefined;
  try {
    return auditEntry.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

const maxFacts = 20;
const maxFact = 200;

/**
 * A summary of a request, short enough for a line: lists as their first items and their length, nothing nested.
 * The values may be any JSON: none of their conversion methods is called.
 */
export function factsOf(...sources: readonly unknown[]): AuditDraft['what'] {
  const facts = sources
    .filter((source) => typeof source === 'object' && source !== null && !Array.isArray(source))
    .flatMap((source) => Object.entries(source as object))
    .flatMap(([name, value]): [string, AuditDraft['what'][string]][] => {
      const short = inShort(value);
      return short === undefined ? [] : [[name.slice(0, 100), short]];
    });
  return Object.fromEntries(facts.slice(0, maxFacts));
}

function inShort(value: unknown): AuditDraft['what'][string] | undefined {
  if (typeof value === 'string') return value.slice(0, maxFact);
  // JSON reads 1e999 as Infinity, which it cannot write.
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'boolean' || value === null) return value;
  if (!Array.isArray(value)) return undefined;
  const shown = value.slice(0, 3).map((one) => nameOf(one).slice(0, 64));
  const more = value.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

/** An item of a list; of nested values only their type, because `toString` may be overridden. */
function nameOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
