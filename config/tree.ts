/** The schema as a tree of keys, for the environment, suggestions and the reference. */
import { z } from 'zod';
import { configSchema } from './schema.ts';

export type Path = readonly (string | number)[];

/** A JSON Schema node (draft 2020-12), limited to what the settings use. */
export interface KeyNode {
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean';
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, KeyNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: KeyNode | false;
  readonly oneOf?: readonly KeyNode[];
  readonly items?: KeyNode;
  readonly enum?: readonly (string | number)[];
  readonly const?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly secret?: boolean;
}

/** What may be written (the input side), with defaults and descriptions. */
export const configTree = z.toJSONSchema(configSchema, { io: 'input' }) as KeyNode;

/** The settings below a node by name; if it has several kinds, those of all kinds. */
export function childrenOf(node: KeyNode): Map<string, KeyNode> {
  const children = new Map<string, KeyNode>();
  for (const variant of node.oneOf ?? [node]) {
    for (const [key, child] of Object.entries(variant.properties ?? {})) {
      const other = children.get(key);
      // Each kind has its own `kind`: together they are a choice.
      const kinds = [...(other?.enum ?? []), child.const].filter((kind) => kind !== undefined);
      children.set(key, child.const === undefined ? child : { type: 'string', enum: kinds });
    }
  }
  return children;
}

/** The node of a path; undefined if the schema has no such key. */
export function nodeAt(path: Path): KeyNode | undefined {
  let node: KeyNode | undefined = configTree;
  for (const segment of path) {
    if (!node) return undefined;
    if (typeof segment === 'number') node = node.items;
    else node = childrenOf(node).get(segment) ?? (node.additionalProperties || undefined);
  }
  return node;
}

/** What a setting expects: "a whole number from 1 to 25", "one of tcp, udp". */
export function expected(node: KeyNode | undefined): string {
  if (!node) return 'another value';
  if (node.enum)
    return node.enum.length > 1 ? `one of ${node.enum.map(written).join(', ')}` : `${node.enum[0]}`;
  if (node.const !== undefined) return node.const;
  switch (node.type) {
    case 'integer':
      return `a whole number${range(node)}`;
    case 'number':
      return `a number${range(node)}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'a text';
    case 'array':
      return 'a list, such as [good]';
    default:
      return 'a mapping: keys below it, indented, each with a value';
  }
}

/** A word in YAML syntax: one that looks like a number needs quotes. */
export const written = (word: string | number) =>
  typeof word === 'number' || Number.isNaN(Number(word)) ? `${word}` : `"${word}"`;

function range({ minimum, maximum, exclusiveMinimum }: KeyNode): string {
  const from =
    minimum !== undefined && !(exclusiveMinimum !== undefined && exclusiveMinimum >= minimum)
      ? ` from ${minimum}`
      : exclusiveMinimum !== undefined
        ? ` above ${exclusiveMinimum}`
        : '';
  return maximum === undefined ? from : `${from}${from.includes('above') ? ',' : ''} up to ${maximum}`;
}

/** The candidate most similar to a mistyped word (Levenshtein distance); undefined if none is similar. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = distance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < least) [best, least] = [candidate, edits];
  }
  return best;
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + swap));
    }
    row = next;
  }
  return row[b.length]!;
}
