/** Compares two configurations value by value. */
import { isDeepStrictEqual } from 'node:util';
import { isObject } from './yaml-text.ts';

export interface ChangedLeaf {
  readonly path: readonly string[];
  /** Undefined if the key is absent. */
  readonly before: unknown;
  readonly after: unknown;
}

/** Every value that differs; lists count as one value. */
export function changedLeaves(before: unknown, after: unknown, path: readonly string[] = []): ChangedLeaf[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (!isObject(before) && !isObject(after)) return [{ path, before, after }];
  const [a, b] = [isObject(before) ? before : {}, isObject(after) ? after : {}];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const below = keys.flatMap((key) => changedLeaves(a[key], b[key], [...path, key]));
  return below.length > 0 ? below : [{ path, before, after }];
}
