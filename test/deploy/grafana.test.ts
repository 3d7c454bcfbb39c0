import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { packageRoot } from '../../config/package.ts';
import { type Dashboard, dashboardFiles, dashboardSchema, interpolated, panelsOf } from './dashboards.ts';

const promtoolMissing = spawnSync('promtool', ['--version']).error !== undefined;
if (promtoolMissing) console.warn('skipped: promtool is not installed here');

/** Arbitrary values: they do not affect whether an expression can be parsed. */
const anything = { datasource: 'd', station: 's', camera: ['a', 'b.c'], recipe: ['a'], window: '30m' };

function expressionsOf({ panels: _, ...dashboard }: Dashboard, panels: Dashboard['panels']) {
  const targets = panels.flatMap((panel) => (panel.type === 'row' ? [] : panel.targets));
  return [...dashboard.annotations.list, ...targets].map(({ expr }) => expr);
}

describe.each(dashboardFiles)('$file', ({ file, json }) => {
  const dashboard = dashboardSchema.parse(json);
  const panels = panelsOf(dashboard);

  it('is named after its uid, and links to shipped dashboards', () => {
    expect(file).toBe(`${dashboard.uid}.json`);
    const uids = dashboardFiles.map((one) => `/d/${(one.json as Dashboard).uid}`);
    for (const { url } of dashboard.links) expect(uids).toContain(url);
  });

  it('has no two panels with the same id or title within a row', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const titles = panels.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
  });

  it('has no overlapping panels, none beyond the edge, and no gaps above a row', () => {
    const taken = new Map<string, number>();
    for (const { id, gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, `panel ${id}`).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.get(`${x} ${y}`), `panels ${taken.get(`${x} ${y}`)} and ${id}`).toBeUndefined();
          taken.set(`${x} ${y}`, id);
        }
      }
    }
    const height = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    for (let y = 0; y < height; y++) expect(taken.has(`0 ${y}`), `line ${y} begins empty`).toBe(true);
  });

  it('uses exactly its declared variables', () => {
    const known = dashboard.templating.list.map(({ name }) => name);
    const definitions = dashboard.templating.list.flatMap((one) =>
      one.type === 'query' ? one.definition : [],
    );
    const asked = new Set<string>();
    for (const expr of [...expressionsOf(dashboard, dashboard.panels), ...definitions]) {
      for (const [, name = ''] of expr.matchAll(/\$\{?(\w+)/g)) if (!name.startsWith('__')) asked.add(name);
    }
    expect([...asked].sort()).toEqual(known.filter((name) => name !== 'datasource').sort());
  });

  it('selects the chosen station in every query', () => {
    for (const expr of expressionsOf(dashboard, dashboard.panels))
      expect(expr).toContain('station=~"$station"');
  });

  it.skipIf(promtoolMissing)('has only queries that Prometheus can parse', () => {
    const folder = mkdtempSync(join(tmpdir(), 'qc-promql-'));
    try {
      const rules = expressionsOf(dashboard, dashboard.panels).map((expr, i) => ({
        record: `query:${i}`,
        expr: interpolated(expr, anything).replaceAll('$__', ''),
      }));
      writeFileSync(join(folder, 'rules.yml'), stringify({ groups: [{ name: 'all', rules }] }));
      execFileSync('promtool', ['check', 'rules', join(folder, 'rules.yml')], { stdio: 'pipe' });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

it('provisions the data source and the folder where the documentation puts the dashboards', () => {
  const provisioning = join(packageRoot, 'deploy/grafana/provisioning');
  const read = (file: string) => parse(readFileSync(join(provisioning, file), 'utf8')) as unknown;
  expect(read('datasources/prometheus.yml')).toMatchObject({
    apiVersion: 1,
    datasources: [{ type: 'prometheus', access: 'proxy', url: '$PROMETHEUS_URL', isDefault: true }],
  });
  const path = '/var/lib/grafana/dashboards/qc';
  expect(read('dashboards/qc.yml')).toMatchObject({
    apiVersion: 1,
    providers: [{ type: 'file', options: { path } }],
  });
  for (const place of ['docs/monitoring.md', 'deploy/compose/compose.yaml']) {
    expect(readFileSync(join(packageRoot, place), 'utf8')).toContain(path);
  }
});

describe('the KPIs of such projects', () => {
  const line = dashboardSchema.parse(dashboardFiles.find(({ file }) => file === 'qc-line.json')!.json);
  const kpis = {
    'Accuracy and F1': /accuracy[\s\S]*macro_f1/,
    'Training time': /qc_model_training_seconds/,
    'Inference latency': /qc_inference_seconds/,
    'Error reduction': /error_reduction/,
    'Expected cost per part': /qc_cost_per_part/,
  };
  it.each(Object.entries(kpis))('%s has a panel', (title, asks) => {
    const panel = panelsOf(line).find((one) => one.title === title);
    expect(panel?.targets.map(({ expr }) => expr).join('\n')).toMatch(asks);
  });
});

it('replaces variables like Grafana', () => {
  expect(interpolated('a{c=~"$c"}[$w]', { c: ['x.y', 'z'], w: '5m' })).toBe('a{c=~"(x\\\\.y|z)"}[5m]');
  expect(interpolated('a{c=~"$c"}', { c: ['x'] })).toBe('a{c=~"x"}');
  expect(() => interpolated('$nobody', {})).toThrow('$nobody');
});
