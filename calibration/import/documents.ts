/**
 * Reads annotation files as values: JSON, YAML, XML and tables, with size limits; parse errors are reported in one line.
 */
import { parse as parseCsv } from 'csv-parse/sync';
import { XMLParser } from 'fast-xml-parser';
import { parseDocument } from 'yaml';
import { readWhole, type SourceFile } from './source.ts';

/** Enough for annotations of a hundred thousand images, bytes. */
const largestDocument = 400_000_000;
const largestYaml = 1_000_000;

/** Undefined if it is not such a document: then it is not an annotation file. */
export async function readJson(file: SourceFile): Promise<unknown> {
  return attempt(file, largestDocument, (text) => JSON.parse(text));
}

export async function readYaml(file: SourceFile): Promise<unknown> {
  return attempt(file, largestYaml, (text) => parseDocument(text).toJS({ maxAliasCount: 100 }));
}

/** Elements are lists, attributes start with `@`, all values are text. */
export async function readXml(file: SourceFile): Promise<Element | undefined> {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    parseTagValue: false,
    parseAttributeValue: false,
    ignoreDeclaration: true,
    ignorePiTags: true,
    isArray: (_name, _path, _leaf, isAttribute) => !isAttribute,
  });
  return (await attempt(file, largestDocument, (text) => parser.parse(text))) as Element | undefined;
}

export interface Element {
  readonly [name: string]: readonly (Element | string)[] | string | undefined;
}

/** Children of one name; an element without children or attributes is its text. */
export function children(element: Element, name: string): readonly Element[] {
  const found = element[name];
  return Array.isArray(found) ? found.map((one) => (typeof one === 'string' ? { '#text': one } : one)) : [];
}

export function textOf(element: Element | undefined, name: string): string | undefined {
  if (!element) return undefined;
  const [first] = children(element, name);
  const text = first?.['#text'];
  return typeof text === 'string' ? text : undefined;
}

export function attribute(element: Element, name: string): string | undefined {
  const value = element[`@${name}`];
  return typeof value === 'string' ? value : undefined;
}

/** The rows of a table; its separator is the comma, semicolon, tab or bar that occurs most often in the first line. */
export async function readTable(file: SourceFile): Promise<string[][] | undefined> {
  const rows = await attempt(file, largestDocument, (text) => {
    const [first = ''] = text.split(/\r?\n/, 1);
    const counts = [',', ';', '\t', '|'].map((sign) => ({ sign, count: first.split(sign).length - 1 }));
    const { sign, count } = counts.reduce((most, one) => (one.count > most.count ? one : most));
    if (count === 0) return undefined;
    return parseCsv(text, {
      delimiter: sign,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      trim: true,
    });
  });
  return rows as string[][] | undefined;
}

/** JSON lines of plain objects, as a table: `metadata.jsonl` of Hugging Face. */
export async function readJsonLines(file: SourceFile): Promise<string[][] | undefined> {
  const rows = await attempt(file, largestDocument, (text) => {
    const records = text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line): Record<string, unknown> => JSON.parse(line));
    if (!records.every((record) => typeof record === 'object' && record !== null)) return undefined;
    const headers = [...new Set(records.flatMap((record) => Object.keys(record)))];
    const cellOf = (value: unknown) =>
      typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? `${value}` : '';
    return [headers, ...records.map((record) => headers.map((header) => cellOf(record[header])))];
  });
  return rows as string[][] | undefined;
}

async function attempt(
  file: SourceFile,
  largest: number,
  parse: (text: string) => unknown,
): Promise<unknown> {
  try {
    return parse(decodeText(await readWhole(file, largest)));
  } catch {
    return undefined;
  }
}

/** UTF-8, UTF-16 with a byte order mark, or Windows-1252, as written by spreadsheets. */
function decodeText(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
