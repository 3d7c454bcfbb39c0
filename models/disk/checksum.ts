/**
 * Files that decide carry a checksum of their content, so that a changed value is refused even if it still makes sense.
 * Files of version 1 were written before there were checksums, or by hand, and have none; from version 2 on one is required.
 */
import { createHash } from 'node:crypto';

/** The content as version 2, with the SHA-256 of its JSON as the last key. */
export function sealed<Content extends object>(
  content: Content,
): Omit<Content, 'schema'> & { schema: 2; checksum: string } {
  const versioned = { ...content, schema: 2 as const };
  return { ...versioned, checksum: digest(versioned) };
}

/**
 * The content of a parsed file, without its checksum.
 * @throws Error in words that follow the name of the file, if the checksum does not match or is missing
 */
export function unsealed(parsed: unknown): unknown {
  if (typeof parsed !== 'object' || parsed === null) return parsed;
  if (!('checksum' in parsed)) {
    if ('schema' in parsed && parsed.schema !== 1) throw new Error('has lost its checksum');
    return parsed;
  }
  const { checksum, ...content } = parsed;
  if (checksum !== digest(content))
    throw new Error('does not match its checksum: a value was changed or damaged');
  return content;
}

/** By the order of keys in the file, which JSON keeps. */
function digest(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
