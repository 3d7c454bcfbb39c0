/**
 * Changes values in the text of a configuration file. Comments, order and layout of everything else stay: only the text
 * of the value is replaced. Where that is not possible, the YAML library writes the whole document, with its comments. Each
 * result is parsed again and compared with the wanted value, so a change never affects another key.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { QcError } from './errors.ts';
import { blockLines, flowText, isObject } from './yaml-text.ts';

export interface Change {
  readonly path: readonly string[];
  /** Null removes the key, so that its default applies. */
  readonly value: unknown;
}

/** @throws QcError config-not-editable */
export function editText(text: string, changes: readonly Change[]): string {
  return changes.reduce(editOne, text);
}

function editOne(text: string, change: Change): string {
  const before = plainOf(text);
  if (before === undefined) throw notEditable(change, 'the file is not valid YAML');
  const wanted = withChange(before, change);
  if (isDeepStrictEqual(before, wanted)) return text;
  for (const attempt of [editEach, splice, rewrite]) {
    const result = attempt(text, change);
    if (result !== undefined && isDeepStrictEqual(plainOf(result), wanted)) return result;
  }
  throw notEditable(change, 'the file uses an anchor, an alias or a tag there');
}

const notEditable = ({ path }: Change, why: string) =>
  new QcError('config-not-editable', `${path.join('.')} cannot be changed here: ${why}`);

const parse = (text: string) => parseDocument(text, { merge: true, stringKeys: true, logLevel: 'error' });

/** Plain values; undefined if the text is not valid. */
function plainOf(text: string): unknown {
  try {
    const document = parse(text);
    return document.errors.length > 0 ? undefined : (document.toJS({ maxAliasCount: 100 }) ?? {});
  } catch {
    return undefined;
  }
}

/** A copy with the change. */
function withChange(before: unknown, change: Change): unknown {
  const root = structuredClone(isObject(before) ? before : {});
  let parent = root;
  for (const key of change.path.slice(0, -1)) {
    const below = Object.hasOwn(parent, key) ? parent[key] : undefined;
    if (below === undefined || below === null) {
      if (change.value === null) return root;
      Object.defineProperty(parent, key, { value: {}, enumerable: true, configurable: true, writable: true });
    } else if (!isObject(below)) throw notEditable(change, `${key} is not a mapping`);
    parent = parent[key] as Record<string, unknown>;
  }
  const last = change.path.at(-1)!;
  if (change.value === null) delete parent[last];
  else {
    const value = structuredClone(change.value);
    Object.defineProperty(parent, last, { value, enumerable: true, configurable: true, writable: true });
  }
  return root;
}

/** A mapping in block style that gets another mapping is changed key by key, so that its comments stay. */
function editEach(text: string, { path, value }: Change): string | undefined {
  if (!isObject(value)) return undefined;
  const found = pairAt(parse(text), path);
  if (!found || !isMap(found.pair.value) || found.pair.value.flow) return undefined;
  const old = found.pair.value.items.map(({ key }) => String((key as { value: unknown }).value));
  const removed = old.filter((key) => !Object.hasOwn(value, key)).map((key) => [key, null] as const);
  return editText(
    text,
    [...Object.entries(value), ...removed].map(([key, below]) => ({ path: [...path, key], value: below })),
  );
}

interface Found {
  readonly map: YAMLMap<Node, Node | null>;
  readonly pair: Pair<Node, Node | null>;
}

/** The pair of a path, with the mapping that contains it. */
function pairAt(document: Document.Parsed, path: readonly string[]): Found | undefined {
  let found: Found | undefined;
  let node: unknown = document.contents;
  for (const key of path) {
    if (!isMap(node)) return undefined;
    const map = node as YAMLMap<Node, Node | null>;
    const pair = map.items.find((item) => isScalar(item.key) && item.key.value === key);
    if (!pair) return undefined;
    found = { map, pair };
    node = pair.value;
  }
  return found;
}

/** Replaces only the text of the value. */
function splice(text: string, { path, value }: Change): string | undefined {
  const document = parse(text);
  const found = pairAt(document, path);
  if (found?.map.flow && value === null) return inFlow(text, document, path.slice(0, -1), path, null);
  if (found) return value === null ? withoutLine(text, found) : withValue(text, found.pair, value);
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const map = depth === 0 ? document.contents : pairAt(document, path.slice(0, depth))?.pair.value;
    if (!isMap(map)) continue;
    if (map.flow) return inFlow(text, document, path.slice(0, depth), path, value);
    const below = path.slice(depth + 1).reduceRight((inner: unknown, key) => ({ [key]: inner }), value);
    // A section without a value, such as one whose keys are all commented out.
    const empty = pairAt(document, path.slice(0, depth + 1));
    if (empty) return withValue(text, empty.pair, below);
    return withLine(text, map as YAMLMap<Node, Node | null>, path[depth]!, below);
  }
  return undefined;
}

/** Writes a mapping in flow style again: `{ x: 0, y: 0.2 }`. */
function inFlow(
  text: string,
  document: Document.Parsed,
  at: readonly string[],
  path: readonly string[],
  value: unknown,
): string | undefined {
  const found = pairAt(document, at);
  if (!found) return undefined;
  const change = { path: path.slice(at.length), value };
  return withValue(text, found.pair, withChange((found.pair.value as YAMLMap).toJSON(), change));
}

function withValue(text: string, { key, value: old }: Pair<Node, Node | null>, value: unknown) {
  if (old === null || (isScalar(old) && old.range?.[0] === old.range?.[1])) {
    if (!key.range) return undefined;
    const colon = text.indexOf(':', key.range[1]);
    if (isObject(value) && Object.values(value).some(isObject)) {
      const lines = blockLines('', value, columnOf(text, key.range[0])).slice(1);
      const end = endOfLine(text, colon);
      return `${text.slice(0, end)}\n${lines.join('\n')}${text.slice(end)}`;
    }
    return `${text.slice(0, colon + 1)} ${flowText(value)}${text.slice(colon + 1)}`;
  }
  if (!old.range) return undefined;
  const [start, end] = old.range;
  if (isScalar(old) || (old as YAMLMap).flow) {
    const style = isScalar(old) && typeof value === 'string' ? old.type : undefined;
    return text.slice(0, start) + flowText(value, style) + text.slice(end);
  }
  if (!isSeq(old) || !Array.isArray(value) || value.length === 0) return undefined;
  const last = (old as YAMLSeq<Node>).items.at(-1)?.range?.[1] ?? end;
  const indent = ' '.repeat(columnOf(text, start));
  return (
    text.slice(0, start) + value.map((one) => `- ${flowText(one)}`).join(`\n${indent}`) + text.slice(last)
  );
}

/** Adds a key after the last one of a mapping. */
function withLine(text: string, map: YAMLMap<Node, Node | null>, key: string, value: unknown) {
  const first = map.items[0]?.key.range;
  const last = map.items.at(-1);
  if (!first || !last) return undefined;
  const at = endOfLine(text, endOf(last));
  const lines = blockLines(key, value, columnOf(text, first[0]));
  return `${text.slice(0, at)}\n${lines.join('\n')}${text.slice(at) || '\n'}`;
}

function withoutLine(text: string, { map, pair }: Found): string | undefined {
  if (map.items.length === 1 || !pair.key.range) return undefined;
  const start = text.lastIndexOf('\n', pair.key.range[0]) + 1;
  if (text.slice(start, pair.key.range[0]).trim() !== '') return undefined;
  return text.slice(0, start) + text.slice(endOfLine(text, endOf(pair)) + 1);
}

/** The offset after the last character of a pair, without comments and line ends that follow. */
function endOf({ key, value }: Pair<Node, Node | null>): number {
  if (value && !isScalar(value) && !(value as YAMLMap).flow) {
    const last = (value as YAMLMap | YAMLSeq).items.at(-1);
    if (last) return isMap(value) ? endOf(last as Pair<Node, Node | null>) : nodeEnd(last as Node);
  }
  return Math.max(value?.range?.[1] ?? 0, key.range?.[1] ?? 0);
}

function nodeEnd(node: Node): number {
  const last = isMap(node) && !node.flow ? node.items.at(-1) : undefined;
  return last ? endOf(last as Pair<Node, Node | null>) : (node.range?.[1] ?? 0);
}

function endOfLine(text: string, offset: number): number {
  // The value of a block text ends after its line.
  const from = offset > 0 && text[offset - 1] === '\n' ? offset - 1 : offset;
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

const columnOf = (text: string, offset: number) => offset - (text.lastIndexOf('\n', offset - 1) + 1);

/** The YAML library writes the whole document: comments stay, some layout changes. */
function rewrite(text: string, { path, value }: Change): string | undefined {
  try {
    const document = parse(text);
    if (value === null) document.deleteIn(path);
    else document.setIn(path, document.createNode(value));
    return document.toString({ lineWidth: 0 });
  } catch {
    return undefined;
  }
}
