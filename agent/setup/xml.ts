/** Reads the XML of devices: names without prefixes, expansion of entities is limited by the parser. */
import { XMLParser } from 'fast-xml-parser';

const parser = new XMLParser({
  removeNSPrefix: true,
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseTagValue: false,
  parseAttributeValue: false,
});

const maxLength = 262_144;

/** Undefined if it is not XML. */
export function parseXml(text: string): unknown {
  if (text.length > maxLength) return undefined;
  try {
    return parser.parse(text);
  } catch {
    return undefined;
  }
}

/** The element at a path of names; of a list its first element, except at the end. */
export function childNamed(root: unknown, ...names: readonly string[]): unknown {
  let node = root;
  for (const name of names) {
    const one: unknown = Array.isArray(node) ? node[0] : node;
    if (typeof one !== 'object' || one === null || !Object.hasOwn(one, name)) return undefined;
    node = (one as Record<string, unknown>)[name];
  }
  return node;
}

/** The text of an element, which is an object if it has attributes. */
export function textOf(node: unknown): string {
  if (typeof node === 'string') return node.trim();
  const text = childNamed(node, '#text');
  return typeof text === 'string' ? text.trim() : '';
}
