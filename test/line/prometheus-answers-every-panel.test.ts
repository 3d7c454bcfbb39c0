import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { drawSamples } from '../../agent/demo/samples.ts';
import { openDataset } from '../../calibration/dataset/dataset.ts';
import { tune } from '../../calibration/tune.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { trainingSchema } from '../../config/training-schema.ts';
import { dashboardFiles, dashboardSchema, interpolated, panelsOf } from '../deploy/dashboards.ts';
import { baseName, metricsOf, operandsOf } from '../deploy/promql.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import {
  type Prometheus,
  prometheusMissing,
  ruleFiles,
  type Sample,
  shipped,
  shortened,
  startPrometheus,
} from '../rigs/prometheus.ts';
import { until } from '../rigs/until.ts';

const costs = { inspection: 0.02, check: 1, falseReject: 5, escape: 50 };
const rules = ruleFiles.flatMap((file) => {
  const { groups } = parse(shortened(readFileSync(join(shipped, file), 'utf8')));
  return (groups as { rules: { record?: string; alert?: string; expr: string }[] }[]).flatMap(
    (one) => one.rules,
  );
});
const dashboards = dashboardFiles.map(({ json }) => dashboardSchema.parse(json));

/** Generated parts with the labels good and defect: a head trained on them differs from the demo's and has examples. */
async function label(storage: string): Promise<void> {
  await using dataset = await openDataset(storage, { onNotice: () => undefined });
  for await (const { image, label } of drawSamples({ perLabel: 4, seed: 5 })) {
    await dataset.add({ image, label: label === 'good' ? 'good' : 'defect', by: 'test' });
  }
}

describe.skipIf(prometheusMissing)(
  'Prometheus answers every query of the rules and of the dashboards',
  () => {
    let plant: Plant;
    let prometheus: Prometheus;
    let candidate: string;

    async function post(path: string, body: object = {}): Promise<void> {
      const response = await fetch(`${plant.url}/api/v1/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(response.status, `${path}: ${await response.text()}`).toBe(200);
    }

    /** Waits for samples with at least one number. */
    async function hasData(ask: () => Promise<readonly Sample[]>, what: string): Promise<void> {
      await until(async () => (await ask()).some(({ values }) => values.length > 0), {
        timeoutMs: 20_000,
        everyMs: 500,
        what: `data for ${what}`,
      });
    }

    beforeAll(async () => {
      plant = await openPlant({
        trigger: { kind: 'continuous', everyMs: 250 },
        camera: { freezeMs: 2_000 },
        line: { partsPerMinute: 60 },
        async settings(storage) {
          await label(storage);
          const tuned = await tune(
            {
              model: modelSchema.parse({}),
              labels: { good: ['good'] },
              thresholds: { pass: 0.7, fail: 0.6 },
              storage: storageSchema.parse({ directory: storage }),
              training: trainingSchema.parse({ views: 'none', costs }),
            },
            { by: 'test' },
            { onNotice: () => undefined, onProgress: () => undefined },
          );
          candidate = tuned.version;
          return { training: { costs } };
        },
      });
      prometheus = await startPrometheus(new URL(plant.url).host);

      // Typical actions of an operator.
      await plant.nextResults(2);
      await post('models/shadow', { version: candidate });
      await plant.nextResults(4);
      await post(`models/${candidate}/promote`, { override: 'a test' });
      const [judged] = await until(() => {
        const found = plant.results.filter(
          (result) => result.model.version === candidate && result.label !== null,
        );
        return found.length > 0 ? found : undefined;
      });
      await post('labels', {
        resultId: judged!.resultId,
        label: judged!.label === 'good' ? 'defect' : 'good',
      });
      await until(() => plant.results.some(({ verdict }) => verdict === 'fail'), {
        timeoutMs: 30_000,
        what: 'a part that fails',
      });
      await until(async () => ((await plant.metrics()).value('qc_feature_drift') ?? -1) >= 0, {
        timeoutMs: 60_000,
        everyMs: 500,
        what: 'a value of drift',
      });
    }, 240_000);
    afterAll(async () => {
      await prometheus?.[Symbol.asyncDispose]();
      await plant?.[Symbol.asyncDispose]();
    });

    it('loads the shipped rules without errors', async () => {
      const loaded = await until(async () => {
        const found = await prometheus.rules();
        return found.every(({ health }) => health !== 'unknown') ? found : undefined;
      });
      expect(loaded.filter(({ health }) => health !== 'ok')).toEqual([]);
      expect(loaded).toHaveLength(rules.length);
    });

    it.each(rules)(
      'has data for the rule $record$alert',
      async ({ expr }) => {
        // An alert has no samples in normal operation; the values that it compares do.
        for (const operand of operandsOf(expr)) await hasData(() => prometheus.query(operand), operand);
      },
      60_000,
    );

    describe.each(dashboards)('$title', (dashboard) => {
      const values: Record<string, string | readonly string[]> = { window: '15s' };

      it('has values for each of its variables', async () => {
        for (const variable of dashboard.templating.list) {
          if (variable.type !== 'query') continue;
          const [, selector = '', label = ''] =
            /^label_values\((.+), (\w+)\)$/.exec(interpolated(variable.definition, values)) ?? [];
          const found = await until(async () => {
            const now = await prometheus.labelValues(selector, label);
            return now.length > 0 ? now : undefined;
          });
          values[variable.name] = found;
        }
        expect(values.station).toEqual(['press-3']);
      });

      it.each(panelsOf(dashboard))('has data for the panel $title', async ({ targets }) => {
        for (const { expr, instant } of targets) {
          const asked = interpolated(expr, values);
          await hasData(
            () => (instant ? prometheus.query(asked) : prometheus.queryRange(asked, 30)),
            `${asked}`,
          );
        }
      });

      it('has annotations that Prometheus accepts', async () => {
        for (const { expr } of dashboard.annotations.list) await prometheus.query(interpolated(expr, values));
      });
    });

    it('raises an alert with a remedy when the image of a camera freezes', async () => {
      const frozen = async () =>
        (await prometheus.alerts()).find(({ labels }) => labels.alertname === 'QcCameraFrozen');
      expect(await frozen()).toBeUndefined();
      await plant.line.freeze(true);
      const alert = await until(frozen, { timeoutMs: 30_000, everyMs: 250, what: 'the alert' });
      await plant.line.freeze(false);
      expect(alert).toMatchObject({
        state: 'firing',
        labels: { station: 'press-3', camera: 'top', severity: 'warning' },
        annotations: {
          summary: 'The picture of camera top of press-3 stood still',
          description: expect.stringContaining('restart the camera'),
          runbook: 'docs/monitoring.md#qccamerafrozen',
        },
      });
    });

    it('uses only metrics that the agent provides', async () => {
      const { text } = await plant.metrics();
      const recorded = new Set(rules.map(({ record }) => record));
      const asked = [
        ...rules.map(({ expr }) => expr),
        ...dashboards.flatMap((one) =>
          panelsOf(one).flatMap(({ targets }) => targets.map(({ expr }) => expr)),
        ),
      ].flatMap(metricsOf);
      const shown = (name: string) =>
        text.includes(`# TYPE ${name} `) || text.includes(`# TYPE ${baseName(name)} `);
      const missing = asked.filter(
        (name) => !recorded.has(name) && !['up', 'ALERTS'].includes(name) && !shown(name),
      );
      expect([...new Set(missing)]).toEqual([]);
    });
  },
);
if (prometheusMissing) console.warn(`skipped: ${prometheusMissing}`);
