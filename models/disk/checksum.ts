/**
 * Files that affect verdicts contain a checksum of their content, so that a changed value is refused even if it is still valid.
 * Files with schema 1 have none: they were written by hand or before checksums were introduced. Schema 2 requires one.
 */
import { createHash } from 'node:crypto';

/** The content with schema 2 and the SHA-256 of its JSON as the last key. */
export function sealed<Content extends object>(
  content: Content,
): Omit<Content, 'schema'> & { schema: 2; checksum: string } {
  const versioned = { ...content, schema: 2 as const };
  return { ...versioned, checksum: digest(versioned) };
}

/**
 * The content of a parsed file, without its checksum.
 * @throws Error if the checksum is wrong or missing; its message is a predicate that follows the name of the file
 */
export function unsealed(parsed: unknown): unknown {
  if (typeof parsed !== 'object' || parsed === null) return parsed;
  if (!('checksum' in parsed)) {
    if ('schema' in parsed && parsed.schema !== 1) throw new Error('has no checksum');
    return parsed;
  }
  const { checksum, ...content } = parsed;
  if (checksum !== digest(content))
    throw new Error('does not match its checksum: a value was changed or damaged');
  return content;
}

/** Depends on the order of keys, which JSON preserves. */
function digest(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
