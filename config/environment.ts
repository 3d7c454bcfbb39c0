/** Settings from the environment: `QC_MQTT__URL` is `mqtt.url`. They take precedence over the file. */
import { parse } from 'yaml';
import type { Problem } from './problems.ts';
import { childrenOf, configTree, type KeyNode, nearest, type Path } from './tree.ts';
import { isObject } from './yaml-text.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Overlay {
  /** The values of the file, overridden by those of the environment; the object of the file is not changed. */
  readonly value: Record<string, unknown>;
  /** The variable that decided a key or something above it. */
  variable(path: Path): string | undefined;
  /** All variables, by the dotted key that each decided. */
  readonly variables: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

/** QC_TEST_… is used by our tests; the rest is set by Kubernetes for services whose name starts with qc-. */
const foreign = /^QC_TEST_|^QC_(?!.*__).*_(SERVICE_(HOST|PORT)(_.*)?|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$/i;
const serviceLink = /^QC_(?!.*__).*_PORT$/i;

/**
 * Overrides the values of the file with the `QC_` variables. Names are matched ignoring case and with - as _, against
 * the schema's keys and the file's camera names. An empty variable counts as not set.
 * Numbers, booleans and lists are parsed as YAML; if a text is expected, the value is used unchanged.
 */
export function overlayEnvironment(fromFile: Record<string, unknown>, env: Environment): Overlay {
  const value = copy(fromFile) as Record<string, unknown>;
  const variables = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [variable, text] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!/^QC_/i.test(variable) || text === undefined || text === '') continue;
    if (foreign.test(variable) || (serviceLink.test(variable) && /^(tcp|udp|sctp):\/\//.test(text))) continue;
    const matches = match(fold(variable.slice('QC_'.length)), configTree, value);
    const [found] = matches;
    if (!found || matches.length > 1) {
      problems.push(found ? ambiguous(variable, matches) : unknown(variable, value));
      continue;
    }
    let parsed: unknown = text;
    if (found.node.type !== 'string') {
      try {
        parsed = parse(text, { logLevel: 'error', prettyErrors: false });
      } catch {
        problems.push({
          where: variable,
          key: found.path.join('.'),
          what: 'the value is not valid YAML',
          remedy: 'write it as in the file, lists as [a, b]',
        });
        continue;
      }
    }
    const earlier = variables.get(found.path.join('.'));
    if (earlier) {
      problems.push({
        where: variable,
        key: found.path.join('.'),
        what: `${earlier} sets the same key`,
        remedy: 'keep one of them',
      });
      continue;
    }
    assign(value, found.path, parsed);
    variables.set(found.path.join('.'), variable);
  }
  return {
    value,
    problems,
    variables,
    variable(path) {
      for (let depth = path.length; depth > 0; depth--) {
        const variable = variables.get(path.slice(0, depth).join('.'));
        if (variable) return variable;
      }
      return undefined;
    },
  };
}

interface Match {
  readonly path: string[];
  readonly node: KeyNode;
}

/** Every setting a folded name may mean: more than one only if camera names differ in case or in - and _. */
function match(name: string, node: KeyNode, value: unknown): Match[] {
  return candidates(node, value).flatMap(([key, child]) => {
    const folded = fold(key);
    if (name === folded) return [{ path: [key], node: child }];
    if (!name.startsWith(`${folded}__`)) return [];
    return match(name.slice(folded.length + 2), child, member(value, key)).map((found) => ({
      path: [key, ...found.path],
      node: found.node,
    }));
  });
}

function candidates(node: KeyNode, value: unknown): [string, KeyNode][] {
  const { additionalProperties } = node;
  if (!additionalProperties) return [...childrenOf(node)];
  return isObject(value) ? Object.keys(value).map((key) => [key, additionalProperties]) : [];
}

/** Every variable that would be understood with this file. */
function names(node: KeyNode, value: unknown, prefix: string): string[] {
  return candidates(node, value).flatMap(([key, child]) => {
    const name = `${prefix}${fold(key).toUpperCase()}`;
    const below = names(child, member(value, key), `${name}__`);
    return below.length > 0 ? below : [name];
  });
}

function unknown(variable: string, value: unknown): Problem {
  const near = nearest(variable, names(configTree, value, 'QC_'));
  return {
    where: variable,
    key: '',
    what: near ? `unknown setting; did you mean ${near}?` : 'unknown setting',
    remedy:
      'correct or remove the variable: QC_, then the keys with __ between them; a camera must be in the file',
  };
}

function ambiguous(variable: string, matches: readonly Match[]): Problem {
  return {
    where: variable,
    key: '',
    what: `may mean ${matches.map(({ path }) => path.join('.')).join(' or ')}`,
    remedy: 'give the cameras names that differ in more than case, - and _',
  };
}

function assign(root: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let parent = root;
  for (const key of path.slice(0, -1)) {
    const below = parent[key];
    // Only a missing value is replaced by a mapping; the schema reports any other value.
    if (below === undefined || below === null) parent[key] = {};
    else if (!isObject(below)) return;
    parent = parent[key] as Record<string, unknown>;
  }
  parent[path.at(-1)!] = value;
}

/** Unlike structuredClone, copies the object for each use of a YAML *alias. */
function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, below]) => [key, copy(below)]));
}

const fold = (name: string) => name.toLowerCase().replaceAll('-', '_');
const member = (value: unknown, key: string) => (isObject(value) ? value[key] : undefined);
