/** A JSON file that says whether it is still what was written: its content with a checksum of it. */
import { createHash } from 'node:crypto';

/** The content with `sha256` of its JSON added as the last key. */
export function sealed<Content extends object>(content: Content): Content & { sha256: string } {
  return { ...content, sha256: digest(content) };
}

/**
 * Whether what was parsed from a file is what was sealed.
 * @returns `unsealed` if it has no `sha256`: whoever reads it knows whether that may be
 */
export function sealOf(parsed: unknown): 'intact' | 'damaged' | 'unsealed' {
  if (typeof parsed !== 'object' || parsed === null || !('sha256' in parsed)) return 'unsealed';
  const { sha256, ...content } = parsed;
  return sha256 === digest(content) ? 'intact' : 'damaged';
}

/** By the order of keys in the file, which JSON keeps. */
function digest(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
