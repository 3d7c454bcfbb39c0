import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { createMetrics } from '../../agent/metrics/metrics.ts';
import { packageRoot } from '../../config/package.ts';
import { ruleFiles, shipped } from '../rigs/prometheus.ts';
import { dashboardFiles, dashboardSchema, panelsOf } from './dashboards.ts';
import { baseName, metricsOf, operandsOf } from './promql.ts';

const text = z.string().min(1);
const groupsSchema = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: text,
      rules: z.array(
        z.union([
          z.strictObject({ record: text, labels: z.record(z.string(), z.string()).optional(), expr: text }),
          z.strictObject({
            alert: z.string().regex(/^Qc[A-Z]\w+$/),
            expr: text,
            for: text.optional(),
            labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
            annotations: z.strictObject({ summary: text, description: text, runbook: text }),
          }),
        ]),
      ),
    }),
  ),
});
const rules = ruleFiles.flatMap((file) => {
  const { groups } = groupsSchema.parse(parse(readFileSync(join(shipped, file), 'utf8')));
  return groups.flatMap((group) => group.rules);
});
const alerts = rules.filter((rule) => 'alert' in rule);
const recorded = new Map<string, string[]>();
for (const rule of rules) {
  if ('record' in rule) recorded.set(rule.record, [...(recorded.get(rule.record) ?? []), rule.expr]);
}

/** Metrics of the agent from which it is computed. */
function rootsOf(expr: string): string[] {
  return metricsOf(expr).flatMap((name) => {
    const made = recorded.get(name);
    return made ? made.flatMap(rootsOf) : [name];
  });
}

const tests = readdirSync(join(shipped, 'tests')).map((file) => join(shipped, 'tests', file));

const promtoolMissing = spawnSync('promtool', ['--version']).error !== undefined;
if (promtoolMissing) console.warn('skipped: promtool is not installed here');

describe('the rules for Prometheus', () => {
  it.skipIf(promtoolMissing)('are accepted by promtool, like the configuration', () => {
    execFileSync('promtool', ['check', 'config', join(shipped, 'prometheus.yml')], { stdio: 'pipe' });
    execFileSync('promtool', ['check', 'rules', ...ruleFiles.map((file) => join(shipped, file))], {
      stdio: 'pipe',
    });
  });

  it.skipIf(promtoolMissing).each(tests)(
    'pass their unit tests: %s',
    (file) => {
      const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
      expect(status, `${stdout}${stderr}`).toBe(0);
    },
    120_000,
  );

  it.each(alerts)(
    '$alert is unit-tested, with a case that fires and one that does not',
    ({ alert, expr }) => {
      const needs = new Set(rootsOf(expr));
      let fires = 0;
      let silent = 0;
      for (const file of tests) {
        for (const test of unitTests.parse(parse(readFileSync(file, 'utf8'))).tests) {
          const given = test.input_series.map(({ series }) => series.replace(/\{.*/, ''));
          for (const { alertname, exp_alerts } of test.alert_rule_test) {
            if (alertname === alert && exp_alerts.length > 0) fires++;
            if (alertname === alert && exp_alerts.length === 0) silent++;
          }
          for (const { expr: asked, exp_samples } of test.promql_expr_test) {
            if (!asked.startsWith('ALERTS')) continue;
            const expected = exp_samples.filter(({ labels }) => labels.includes(`alertname="${alert}"`));
            if (expected.some(({ labels }) => labels.includes('firing'))) fires++;
            const isAsked = !asked.includes('alertname=') || asked.includes(`"${alert}"`);
            // A missing alert proves something only if its series exist.
            if (isAsked && expected.length === 0 && [...needs].some((name) => given.includes(name))) silent++;
          }
        }
      }
      expect({ fires: fires > 0, silent: silent > 0 }).toEqual({ fires: true, silent: true });
    },
  );

  it.each(alerts)('$alert has a runbook in the docs', ({ alert, annotations }) => {
    expect(annotations.runbook).toBe(`docs/monitoring.md#${alert.toLowerCase()}`);
    expect(readFileSync(join(packageRoot, 'docs/monitoring.md'), 'utf8')).toContain(`\n### ${alert}\n`);
  });
});

const samples = z.array(z.looseObject({ labels: z.string() }));
const unitTests = z.looseObject({
  tests: z.array(
    z.looseObject({
      name: text,
      input_series: z.array(z.looseObject({ series: z.string() })),
      promql_expr_test: z.array(z.looseObject({ expr: z.string(), exp_samples: samples })).default([]),
      alert_rule_test: z
        .array(z.looseObject({ alertname: z.string(), exp_alerts: z.array(z.unknown()) }))
        .default([]),
    }),
  ),
});

it('rules and dashboards use only metrics of /metrics and recorded series', () => {
  // Built-in series of Prometheus.
  const known = new Set([...createMetrics({ version: '1' }).names(), ...recorded.keys(), 'up', 'ALERTS']);
  const dashboards = dashboardFiles.map(({ json }) => dashboardSchema.parse(json));
  const asked = [
    ...rules.map(({ expr }) => expr),
    ...dashboards.flatMap((dashboard) => [
      ...panelsOf(dashboard).flatMap(({ targets }) => targets.map(({ expr }) => expr)),
      ...dashboard.annotations.list.map(({ expr }) => expr),
      ...dashboard.templating.list.flatMap((one) =>
        one.type === 'query' ? one.definition.replace(/^label_values\((.+), \w+\)$/, '$1') : [],
      ),
    ]),
  ];
  const names = new Set(asked.flatMap(metricsOf));
  expect(names.size).toBeGreaterThan(40);
  const unknown = [...names].filter((name) => !known.has(name) && !known.has(baseName(name)));
  expect(unknown).toEqual([]);
});

it('distinguishes the sides of a comparison', () => {
  expect(operandsOf('a{x=~"b > c"} > 2 * b and on (x) (sum by (y) (c) == 0 or d)')).toEqual([
    'a{x=~"b > c"}',
    '2 * b',
    'sum by (y) (c)',
    '0',
    'd',
  ]);
  expect(operandsOf('(a) / (b > 0)')).toEqual(['(a) / (b > 0)']);
});
