/** Writes values as YAML in the style of the example configuration. */
import { type Scalar, stringify } from 'yaml';

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** On one line: `{ kind: presence }`, `[good, ok]`. @param style quotes of a text */
export function flowText(value: unknown, style?: Scalar['type']): string {
  if (Array.isArray(value)) return `[${value.map((one) => flowText(one)).join(', ')}]`;
  if (isObject(value)) {
    const pairs = Object.entries(value).map(([key, below]) => `${flowText(key)}: ${flowText(below)}`);
    return pairs.length === 0 ? '{}' : `{ ${pairs.join(', ')} }`;
  }
  const quoted = style === 'QUOTE_DOUBLE' || style === 'QUOTE_SINGLE';
  const options = { lineWidth: 0, flowCollectionPadding: false, collectionStyle: 'flow' } as const;
  // As an item of a flow list, a text with a comma or bracket gets quotes.
  return stringify([value], { ...options, ...(quoted && { defaultStringType: style }) })
    .trim()
    .slice(1, -1);
}

/** `key: value`; a mapping that contains mappings on several lines. */
export function blockLines(key: string, value: unknown, indent: number): string[] {
  const start = `${' '.repeat(indent)}${flowText(key)}:`;
  if (!isObject(value) || !Object.values(value).some(isObject)) return [`${start} ${flowText(value)}`];
  return [start, ...Object.entries(value).flatMap(([name, below]) => blockLines(name, below, indent + 2))];
}
