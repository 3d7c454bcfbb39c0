/** Explains the issues of zod to someone who edits the file. */
import type { z } from 'zod';
import { redactUrl } from './secrets.ts';
import { childrenOf, configTree, expected, type KeyNode, nearest, nodeAt, type Path } from './tree.ts';

export interface Finding {
  readonly path: Path;
  /** Whether the key or its value is wrong. */
  readonly at: 'key' | 'value';
  readonly what: string;
  readonly remedy: string;
  /** The key that an unknown key seems to mean. */
  readonly meant?: string;
}

/**
 * The findings in all issues. A key that is missing because its name is misspelt is one finding, not two.
 */
export function explainAll(issues: readonly z.core.$ZodIssue[], root: unknown): Finding[] {
  const found = issues.flatMap((issue) => explain(issue, root));
  const meant = new Set(
    found.flatMap(({ path, meant }) => (meant === undefined ? [] : [beside(path, meant)])),
  );
  return found.filter(({ path }) => !(meant.has(path.join('.')) && valueAt(root, path) === undefined));
}

const beside = (path: Path, key: string) => [...path.slice(0, -1), key].join('.');

/** The findings in one issue of `configSchema`; `root` is what was checked. Never quotes a secret. */
function explain(issue: z.core.$ZodIssue, root: unknown): Finding[] {
  const path = issue.path.map((segment) => (typeof segment === 'symbol' ? String(segment) : segment));
  const node = nodeAt(path);
  const found = valueAt(root, path);
  const value = (what: string, remedy: string): Finding[] => [{ path, at: 'value', what, remedy }];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey([...path, key], root));
    case 'invalid_key':
      return [
        {
          path,
          at: 'key',
          what: issue.issues[0]?.message ?? 'this name is not allowed',
          remedy: 'rename it',
        },
      ];
    case 'invalid_union':
      return value(
        found === undefined ? 'kind is missing' : `unknown kind ${JSON.stringify(found)}`,
        `write ${expected(node)}`,
      );
    case 'invalid_type':
    case 'invalid_value':
      if (found === undefined) return value('is missing', `add ${path.at(-1)}: ${meaning(node)}`);
      if (found === null) return value('has no value', `write ${expected(node)}, or remove the line`);
      return value(`found ${describe(found, node)}`, `write ${expected(node)}${about(node)}`);
    case 'too_small':
    case 'too_big':
      if (issue.origin === 'string' || issue.origin === 'array') {
        const few = issue.code === 'too_small';
        return value(few ? 'is empty' : 'is too long', few ? `write ${meaning(node)}` : 'shorten it');
      }
      return value(`${describe(found, node)} is out of range`, `write ${expected(node)}${about(node)}`);
    case 'invalid_format':
      return value(`${issue.message}; found ${describe(found, node)}`, `write ${meaning(node)}`);
    default:
      // The messages of our own rules (refine) explain themselves.
      return value(issue.message, `correct ${path.at(-1) ?? 'the file'}`);
  }
}

function unknownKey(path: Path, root: unknown): Finding {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const node = nodeAt(parent) ?? configTree;
  const kind = (valueAt(root, parent) as { kind?: unknown } | undefined)?.kind;
  const owners = (node.oneOf ?? []).filter(({ properties }) => properties?.[key]).map(kindOf);
  if (owners.length > 0) {
    return {
      path,
      at: 'key',
      what: `belongs to kind ${owners.join(' or ')}, but kind is ${kind}`,
      remedy: `remove it, or write kind: ${owners[0]}`,
    };
  }
  const own = (node.oneOf ?? []).find((variant) => kindOf(variant) === kind) ?? node;
  const known = [...childrenOf(own)].filter(([, child]) => !child.secret).map(([name]) => name);
  const near = nearest(key, known);
  // A valid key on the wrong level is the most common indentation error.
  const home = near ? undefined : homeOf(key, configTree, []);
  return {
    path,
    at: 'key',
    what: near
      ? `unknown key; did you mean ${near}?`
      : home
        ? `unknown key here; it belongs under ${home}`
        : 'unknown key',
    remedy: near ? `write ${near}` : home ? 'check the indentation' : allowedText(known),
    ...(near && { meant: near }),
  };
}

const allowedText = (known: readonly string[]) =>
  known.length === 0 ? 'remove it: nothing may be written here' : `allowed here: ${known.join(', ')}`;

const kindOf = (variant: KeyNode) => variant.properties?.kind?.const;

function homeOf(key: string, node: KeyNode, path: readonly string[]): string | undefined {
  for (const [name, child] of childrenOf(node)) {
    if (name === key && path.length > 0) return path.join('.');
    const below = homeOf(key, child, [...path, name]);
    if (below) return below;
  }
  return node.additionalProperties ? homeOf(key, node.additionalProperties, [...path, 'NAME']) : undefined;
}

function describe(value: unknown, node: KeyNode | undefined): string {
  if (node?.secret) return `a ${typeof value}`;
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value !== 'string') return `${typeof value === 'boolean' ? '' : 'the number '}${String(value)}`;
  // redactUrl may miss the password in a mistyped address, so nothing before an @ is shown.
  const shown = redactUrl(value).replace(/^.*@/s, '***@');
  return `the text ${JSON.stringify(shown.length > 60 ? `${shown.slice(0, 60)}…` : shown)}`;
}

const meaning = (node: KeyNode | undefined) => node?.description ?? expected(node);
const about = (node: KeyNode | undefined) => (node?.description ? ` (${node.description})` : '');

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const segment of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[segment];
  }
  return value;
}
