/** The two documents generated from the schema: JSON Schema for editors, and a reference for people. */
import { z } from 'zod';
import { configSchema } from './schema.ts';
import { configTree, expected, type KeyNode, written } from './tree.ts';

/** JSON Schema (draft 2020-12) of the YAML file, for editors: without `password`, which is refused there. */
export function schemaText(): string {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-2020-12',
    override: ({ jsonSchema }) => {
      for (const [key, child] of Object.entries(jsonSchema.properties ?? {})) {
        if ((child as KeyNode).secret) delete jsonSchema.properties?.[key];
      }
    },
  });
  const { $schema, ...rest } = schema;
  const title = 'Configuration of qc-edge-agent';
  return `${JSON.stringify({ $schema, title, ...rest }, undefined, 2)}\n`;
}

/** A table of every setting per section, as Markdown. */
export function referenceText(): string {
  const sections = Object.entries(configTree.properties ?? {});
  return [
    '# Configuration reference',
    '',
    'Generated from `config/schema.ts` by `npm run generate`; do not edit. `agent.yaml` in the same folder is a working example.',
    '',
    'An unknown key is an error. Relative paths are relative to the configuration file. Every setting can also come',
    'from the environment, which takes precedence: `QC_`, then the keys joined by `__`, in capitals, with `_` for a `-` in a',
    'camera name: `QC_MQTT__URL`, `QC_CAMERAS__TOP__VOTE__FRAMES`. An empty variable counts as not set.',
    '',
    'Passwords belong in separate files (`passwordFile`) or in the environment, never in this file.',
    ...sections.flatMap(([key, node]) => section(key, node)),
    '',
  ].join('\n');
}

function section(key: string, node: KeyNode): string[] {
  const path = node.additionalProperties ? `${key}.NAME` : key;
  const inner = node.additionalProperties || node;
  const rows = inner.properties ? table(inner) : table({ properties: { [key]: inner }, required: [key] });
  const nested = Object.entries(inner.properties ?? {}).flatMap(([name, child]) =>
    nestedSections(`${path}.${name}`, child),
  );
  return ['', `## \`${path}\``, '', `${sentence(node)}`, '', ...rows, ...nested];
}

function nestedSections(path: string, node: KeyNode): string[] {
  if (node.oneOf) {
    return node.oneOf.flatMap((kind) => {
      const { kind: name, ...rest } = kind.properties ?? {};
      return [
        '',
        `### \`${path}\` with \`kind: ${name?.const}\``,
        '',
        sentence(name ?? {}),
        '',
        ...table({ ...kind, properties: rest }),
      ];
    });
  }
  return node.properties ? ['', `### \`${path}\``, '', sentence(node), '', ...table(node)] : [];
}

function table(node: KeyNode): string[] {
  const rows = Object.entries(node.properties ?? {}).map(([key, child]) => {
    const required = node.required?.includes(key) ? '**required**' : '';
    const usual = child.default === undefined ? required : `\`${inline(child.default)}\``;
    const where = child.secret ? ' (environment only)' : '';
    return [`\`${key}\`${where}`, type(child), usual, cell(child.description ?? '')];
  });
  const head = ['key', 'type and limits', 'default', 'meaning'];
  const all = [head, ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[], fill = ' ') =>
    `| ${row.map((text, column) => text.padEnd(widths[column]!, fill)).join(' | ')} |`;
  return [line(head), line(['', '', '', ''], '-'), ...rows.map((row) => line(row))];
}

function type(node: KeyNode): string {
  if (node.oneOf)
    return `one kind of ${node.oneOf.map((kind) => `\`${kind.properties?.kind?.const}\``).join(', ')}`;
  if (node.enum) return node.enum.map((value) => `\`${written(value)}\``).join(', ');
  if (node.type === 'object') return 'mapping, below';
  if (node.type === 'array') return 'list of texts';
  return cell(expected(node).replace(/^an? /, ''));
}

/** A default in YAML syntax. */
function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, below]) => `${key}: ${inline(below)}`)
      .join(', ')}}`;
  return String(value);
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
const sentence = ({ description = '' }: KeyNode) =>
  description && `${description[0]?.toUpperCase()}${cell(description.slice(1))}.`;
