/** A schema of the shipped dashboards: stricter than Grafana, which shows a broken panel without an error. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../../config/package.ts';

const folder = join(packageRoot, 'deploy/grafana/dashboards');

/** A variable in the notation of Grafana. */
const anySource = `$${'{datasource}'}`;
const source = z.strictObject({ type: z.literal('prometheus'), uid: z.literal(anySource) });
const count = z.number().int().min(0);
const gridPos = z.strictObject({
  x: count.max(23),
  y: count,
  w: count.min(1).max(24),
  h: count.min(1).max(20),
});

/** Units of Grafana that the dashboards may use; Grafana shows a misspelt one as text after the number. */
const unit = z.enum(['none', 'percentunit', 's', 'bytes', 'ops']);

const target = z.strictObject({
  refId: z.string().regex(/^[A-Z]$/),
  datasource: source,
  expr: z.string().min(1),
  legendFormat: z.string().min(1),
  instant: z.boolean(),
  range: z.boolean(),
  format: z.enum(['table', 'heatmap']).optional(),
});

const fieldConfig = z.strictObject({
  defaults: z.looseObject({
    unit,
    min: z.number().optional(),
    max: z.number().optional(),
    decimals: count.optional(),
  }),
  overrides: z.array(
    z.strictObject({
      matcher: z.strictObject({ id: z.enum(['byName', 'byRegexp']), options: z.string().min(1) }),
      properties: z.array(z.strictObject({ id: z.string().min(1), value: z.unknown() })).min(1),
    }),
  ),
});

const row = z.strictObject({
  id: count.min(1),
  type: z.literal('row'),
  title: z.string().min(1),
  collapsed: z.literal(false),
  gridPos,
  panels: z.array(z.never()),
});

const panel = z
  .strictObject({
    id: count.min(1),
    type: z.enum(['timeseries', 'stat', 'bargauge', 'state-timeline', 'table', 'heatmap']),
    title: z.string().min(1),
    description: z.string().min(10),
    datasource: source,
    gridPos,
    fieldConfig,
    options: z.record(z.string(), z.unknown()),
    targets: z.array(target).min(1),
    transformations: z
      .array(
        z.strictObject({ id: z.enum(['merge', 'organize']), options: z.record(z.string(), z.unknown()) }),
      )
      .optional(),
  })
  .refine(({ targets }) => new Set(targets.map(({ refId }) => refId)).size === targets.length, {
    message: 'each target needs a refId of its own',
  })
  .refine(({ targets }) => targets.every(({ instant, range }) => instant !== range), {
    message: 'a target is either instant or a range',
  });

const shown = { name: z.string().regex(/^\w+$/), label: z.string().min(1), hide: z.literal(0) };
const variable = z.discriminatedUnion('type', [
  z.looseObject({ ...shown, type: z.literal('datasource'), query: z.literal('prometheus') }),
  z.looseObject({
    ...shown,
    type: z.literal('query'),
    datasource: source,
    definition: z.string().regex(/^label_values\(.+, \w+\)$/),
    query: z.strictObject({ query: z.string(), refId: z.string() }),
    multi: z.boolean(),
    includeAll: z.boolean(),
    allValue: z.literal('.*').optional(),
  }),
  z.looseObject({ ...shown, type: z.literal('custom'), query: z.string().min(1) }),
]);

export const dashboardSchema = z.looseObject({
  uid: z.string().regex(/^[a-z-]+$/),
  title: z.string().min(1),
  description: z.string().min(1),
  schemaVersion: z.literal(39),
  templating: z.strictObject({ list: z.array(variable) }),
  annotations: z.strictObject({
    list: z.array(z.looseObject({ datasource: source, expr: z.string().min(1) })),
  }),
  links: z.array(z.looseObject({ url: z.string().regex(/^\/d\/[a-z-]+$/) })),
  panels: z.array(z.union([row, panel])).min(1),
});

export type Dashboard = z.output<typeof dashboardSchema>;
export type Panel = z.output<typeof panel>;

/** The files on disk, unchecked. */
export const dashboardFiles = readdirSync(folder).map((file) => ({
  file,
  json: JSON.parse(readFileSync(join(folder, file), 'utf8')) as unknown,
}));

/** Its panels without the rows. */
export function panelsOf({ panels }: Dashboard): Panel[] {
  return panels.filter((one): one is Panel => one.type !== 'row');
}

/** Built-in variables of Grafana. */
const builtIn: Readonly<Record<string, string>> = {
  __rate_interval: '5s',
  __interval: '1s',
  __range: '30s',
};

/**
 * An expression with its variables replaced as in Grafana: several values become `(a|b)`, each escaped for a regular
 * expression. @throws if a variable has no value
 */
export function interpolated(
  expr: string,
  values: Readonly<Record<string, string | readonly string[]>>,
): string {
  return expr.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, plain?: string) => {
    const name = braced ?? plain ?? '';
    const value = builtIn[name] ?? values[name];
    if (value === undefined) throw new Error(`nothing is known of $${name} in ${expr}`);
    if (typeof value === 'string') return value;
    // A backslash counts twice within a PromQL string.
    const escaped = value.map((one) => one.replaceAll(/[\\^$*+?.()|[\]{}]/g, '\\\\$&'));
    return escaped.length === 1 ? escaped[0]! : `(${escaped.join('|')})`;
  });
}
