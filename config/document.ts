/** Parses YAML into plain values with the position of each. */
import { readFileSync } from 'node:fs';
import {
  type Document,
  type ErrorCode,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from 'yaml';
import { ConfigError, type Problem } from './problems.ts';
import type { Path } from './tree.ts';

export interface ConfigDocument {
  /** Content of the file as plain objects. */
  readonly value: Record<string, unknown>;
  /** `file:line:column` of a key or its value; of the nearest parent if the key is missing. */
  where(path: Path, at: 'key' | 'value'): string;
  /** Keys that occur twice in one mapping. */
  readonly duplicates: readonly Problem[];
}

/**
 * Reads a configuration file.
 * @param text its content; default: read from the file
 * @throws ConfigError if there is no file, or it is not one YAML mapping.
 */
export function readDocument(file: string, text: string = readText(file)): ConfigDocument {
  const lines = new LineCounter();
  // prettyErrors would quote the source line, which may contain a password.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    merge: true,
    stringKeys: true,
    logLevel: 'error',
  });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    const first = document.errors[0]!;
    // Later syntax errors are usually consequences of the first.
    throw new ConfigError([{ where: at(first.pos[0]), key: '', ...syntax(first.code) }]);
  }
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) {
    throw fileError(file, 'the file is empty', 'start from config/agent.yaml, the commented example');
  }
  if (!isMap(contents)) {
    throw new ConfigError([
      {
        where: at(contents.range[0]),
        key: '',
        what: `the file must be a mapping of keys to values, found ${isSeq(contents) ? 'a list' : 'a single value'}`,
        remedy: 'start from config/agent.yaml, the commented example',
      },
    ]);
  }
  return {
    value: plain(document, file),
    where: (path, part) => at(locate(document, path, part)),
    duplicates: findDuplicates(document, at, lines),
  };
}

/** @throws ConfigError if it cannot be read */
export function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw fileError(file, 'there is no such file', 'check --config; config/agent.yaml is an example');
    }
    if (code === 'EISDIR')
      throw fileError(file, 'this is a folder', 'name the YAML file in it, as in --config DIR/agent.yaml');
    if (code === 'EACCES')
      throw fileError(file, 'no permission to read it', 'allow the user who runs the agent to read it');
    throw fileError(file, `cannot be read (${code ?? 'unknown error'})`, 'check the disk and the path');
  }
  if (bytes.includes(0))
    throw fileError(file, 'this is not UTF-8 text', 'save the file as plain text, UTF-8');
  return bytes.toString('utf8');
}

function fileError(file: string, what: string, remedy: string): ConfigError {
  return new ConfigError([{ where: file, key: '', what, remedy }]);
}

function plain(document: Document.Parsed, file: string): Record<string, unknown> {
  try {
    return document.toJS({ maxAliasCount: 100 }) as Record<string, unknown>;
  } catch {
    throw fileError(
      file,
      'a *name refers to an &anchor that is not above it, or too many are nested',
      'put a value that starts with * in quotes, or define the anchor first',
    );
  }
}

function locate(document: Document.Parsed, path: Path, part: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const segment of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment));
      if (!pair) return offset;
      offset = isNode(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(segment)];
      if (!isNode(node)) return offset;
      offset = node.range?.[0] ?? offset;
    } else return offset;
  }
  // A collection starts on the line below its key: the position of the key is more useful.
  const own = part === 'value' && isNode(node) && !isCollection(node) ? node.range : undefined;
  return own && own[1] > own[0] ? own[0] : offset;
}

function findDuplicates(
  document: Document.Parsed,
  at: (offset: number) => string,
  lines: LineCounter,
): Problem[] {
  const problems: Problem[] = [];
  visit(document, {
    Map(_, map, ancestors) {
      const seen = new Map<string, number>();
      for (const { key } of map.items) {
        if (!isScalar(key) || !key.range || key.value === '<<') continue;
        const name = String(key.value);
        const first = seen.get(name);
        if (first === undefined) {
          seen.set(name, key.range[0]);
          continue;
        }
        const parents = ancestors.flatMap((a) =>
          'key' in a && isScalar(a.key) ? [String(a.key.value)] : [],
        );
        const [one, two] = [lines.linePos(first).line, lines.linePos(key.range[0]).line];
        problems.push({
          where: at(key.range[0]),
          key: [...parents, name].join('.'),
          what: `given twice, on line ${one} and on line ${two}`,
          remedy: parents.at(-1) === 'cameras' ? 'give each camera its own name' : 'keep one of them',
        });
      }
    },
  });
  return problems;
}

/** Explains YAML syntax errors to someone who rarely edits such files. */
function syntax(code: ErrorCode): { what: string; remedy: string } {
  switch (code) {
    case 'TAB_AS_INDENT':
      return { what: 'a tab is used to indent', remedy: 'indent with spaces, two per level' };
    case 'BAD_INDENT':
      return {
        what: 'the indentation is inconsistent, or a [ or { above is not closed',
        remedy: 'align keys of the same level with spaces, and close brackets',
      };
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
    case 'BLOCK_IN_FLOW':
      return {
        what: 'a key where a value was expected: wrong indentation, or two keys on one line',
        remedy: 'write one key per line; put a value that contains ": " in quotes',
      };
    case 'MISSING_CHAR':
      return {
        what: 'something is missing: a closing quote or bracket, or the colon and space after a key',
        remedy: 'close the quote or bracket; write key: value',
      };
    case 'BAD_SCALAR_START':
      return {
        what: 'a value starts with a character that has a special meaning in YAML (@, `, % …)',
        remedy: 'put the value in quotes',
      };
    case 'BAD_DQ_ESCAPE':
      return {
        what: 'a backslash in "double quotes" starts an escape that does not exist',
        remedy: "use 'single quotes' around texts with backslashes",
      };
    case 'BAD_ALIAS':
      return { what: 'a value starts with * or &', remedy: 'put the value in quotes' };
    case 'MULTIPLE_DOCS':
      return { what: 'a second document starts here (---)', remedy: 'keep one document in the file' };
    case 'NON_STRING_KEY':
      return { what: 'a key must be a plain word', remedy: 'write key: value' };
    default:
      return {
        what: 'this is not valid YAML from here on',
        remedy: 'check indentation, quotes and brackets on this line and the one above',
      };
  }
}
