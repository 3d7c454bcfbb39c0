import { execFileSync, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { createMetrics } from '../../../agent/metrics/metrics.ts';

const contract = [
  'qc_build_info',
  'qc_model_info',
  'qc_station_state',
  'qc_camera_up',
  'qc_camera_reconnects_total',
  'qc_frames_received_total',
  'qc_frames_dropped_total',
  'qc_frame_age_seconds',
  'qc_parts_inspected_total',
  'qc_defects_total',
  'qc_probability',
  'qc_inference_seconds',
  'qc_capture_to_result_seconds',
  'qc_inference_batch_size',
  'qc_mqtt_connected',
  'qc_mqtt_published_total',
  'qc_outbox_messages',
  'qc_outbox_oldest_seconds',
  'qc_outbox_dropped_total',
  'qc_feature_drift',
  'qc_unfamiliar_parts_total',
  'qc_labelled_frames',
  'qc_corrections_total',
  'qc_training_runs_total',
  'qc_training_seconds',
  'qc_model_score',
];

const figures = {
  accuracy: 0.9,
  macroF1: 0.85,
  escapes: { rate: 0.02 },
  falseRejects: { rate: 0.03 },
  errorReduction: { active: 0.5, commonest: 0.75 },
  seconds: { features: 4, training: 2.5 },
};

function filled() {
  const metrics = createMetrics({ version: '1.2.3' });
  metrics.stationState('inspecting');
  metrics.modelInfo({ version: 'v1', base: 'b', precision: 'int8', provider: 'cpu' });
  metrics.modelInfo({ version: 'v2', base: 'b', precision: 'int8', provider: 'cpu' });
  metrics.watchCamera('top', () => ({ camera: 'top', up: true, newestAgeMs: 1_500, lagMs: 80, drift: 0.16 }));
  metrics.watchOutbox(() => ({ size: 3, oldestAgeMs: 2_500, dropped: 7 }));
  metrics.cameraReconnects.inc({ camera: 'top' });
  metrics.cameraFaults.inc({ camera: 'top', reason: 'stalled' });
  metrics.framesReceived.inc({ camera: 'top' }, 10);
  metrics.framesDropped.inc({ camera: 'top', reason: 'newer' });
  metrics.inferenceSeconds.observe({ provider: 'cpu' }, 0.023);
  metrics.inferenceBatchSize.observe(1);
  metrics.mqttConnected.set(1);
  metrics.mqttPublished.inc({ kind: 'result' });
  const place = { x: 0, y: 0, width: 0.1, height: 0.15, score: 4, label: 'scratch' };
  const where = [{ ...place, width: 0.01 }, place];
  const part = { camera: 'top', recipe: 'default', probability: 0.98, timingsMs: { total: 31 }, where };
  metrics.modelUp.set(1);
  metrics.watchStorage(tmpdir());
  metrics.unitCosts({ inspection: 0.02, check: 1, falseReject: 10, escape: 100 });
  metrics.modelScore('v1', figures);
  metrics.modelScore('v2', { ...figures, errorReduction: { active: null, commonest: 0.8 } });
  metrics.partInspected({ ...part, verdict: 'fail', label: 'scratch' });
  metrics.partInspected({ ...part, where: [], verdict: 'pass', label: 'good' });
  metrics.partInspected({ ...part, verdict: 'uncertain', label: null, probability: null });
  return metrics;
}

/** Sample name with labels to value, as the exposition format has them (prometheus.io/docs, text format 0.0.4). */
function samples(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([a-zA-Z_:][\w:]*(?:\{[^}]*\})?) (\S+)$/.exec(line);
    expect(match, line).not.toBeNull();
    found.set(match![1]!, Number(match![2]));
  }
  return found;
}

it('shows every metric of the contract, and counts correctly', async () => {
  const metrics = filled();
  for (const name of contract) expect(metrics.names()).toContain(name);
  const found = samples(await metrics.text());
  expect(found.get('qc_build_info{version="1.2.3"}')).toBe(1);
  expect(found.get('qc_station_state{state="inspecting"}')).toBe(1);
  expect(found.get('qc_station_state{state="degraded"}')).toBe(0);
  expect([...found.keys()].filter((key) => key.startsWith('qc_model_info'))).toHaveLength(1);
  expect(found.get('qc_camera_up{camera="top"}')).toBe(1);
  expect(found.get('qc_frame_age_seconds{camera="top"}')).toBeGreaterThanOrEqual(1.5);
  expect(found.get('qc_parts_inspected_total{camera="top",recipe="default",verdict="fail"}')).toBe(1);
  expect(found.get('qc_defects_total{camera="top",recipe="default",label="scratch"}')).toBe(1);
  expect(found.get('qc_probability_count{camera="top"}')).toBe(2);
  expect(found.get('qc_defect_area_ratio_bucket{le="0.01",camera="top"}')).toBe(0);
  expect(found.get('qc_defect_area_ratio_bucket{le="0.02",camera="top"}')).toBe(2);
  expect(found.get('qc_defect_area_ratio_count{camera="top"}')).toBe(2);
  expect(found.get('qc_capture_to_result_seconds_bucket{le="0.05",camera="top"}')).toBe(3);
  expect(found.get('qc_outbox_oldest_seconds')).toBe(2.5);
  expect(found.get('qc_outbox_dropped_total')).toBe(7);
  expect(samples(await metrics.text()).get('qc_outbox_dropped_total')).toBe(7);
  expect(found.has('process_cpu_seconds_total')).toBe(true);
});

it('shows the scores of versions, unit costs and free space', async () => {
  const found = samples(await filled().text());
  expect(found.get('qc_model_score{version="v1",metric="error_reduction"}')).toBe(0.5);
  expect(found.has('qc_model_score{version="v2",metric="error_reduction"}')).toBe(false);
  expect(found.get('qc_model_score{version="v2",metric="error_reduction_commonest"}')).toBe(0.8);
  expect(found.get('qc_model_training_seconds{version="v1"}')).toBe(6.5);
  expect(found.get('qc_unit_cost{kind="false_reject"}')).toBe(10);
  expect(found.get('qc_unit_cost{kind="inspection"}')).toBe(0.02);
  const [free, size] = ['qc_storage_free_bytes', 'qc_storage_size_bytes'].map((name) => found.get(name)!);
  expect(free).toBeGreaterThan(0);
  expect(size).toBeGreaterThanOrEqual(free!);
  // Unknown free space is not shown as 0.
  expect(await createMetrics({ version: '1' }).text()).not.toMatch(/^qc_storage_/m);
});

it('shows the figures of the newest ten versions', async () => {
  const metrics = createMetrics({ version: '1' });
  for (let i = 0; i < 12; i++) metrics.modelScore(`v${i}`, figures);
  const shown = [...samples(await metrics.text()).keys()];
  expect(shown.filter((line) => line.includes('metric="accuracy"'))).toHaveLength(10);
  expect(shown.some((line) => line.includes('version="v1"'))).toBe(false);
});

it('starts the counters of a camera at 0, so that the first event is an increase', async () => {
  const metrics = createMetrics({ version: '1' });
  metrics.watchCamera('top', () => ({
    camera: 'top',
    up: false,
    newestAgeMs: undefined,
    lagMs: undefined,
    drift: 0,
  }));
  const found = samples(await metrics.text());
  expect(found.get('qc_camera_reconnects_total{camera="top"}')).toBe(0);
  expect(found.get('qc_camera_faults_total{camera="top",reason="camera-frozen"}')).toBe(0);
  expect(found.get('qc_unfamiliar_parts_total{camera="top"}')).toBe(0);
  expect(found.get('qc_parts_inspected_total{camera="top",recipe="default",verdict="fail"}')).toBe(0);
});

it('shows drift only while it is known', async () => {
  const metrics = createMetrics({ version: '1' });
  let drift: number | undefined = 0.7;
  metrics.watchDrift('top', () => drift);
  expect(samples(await metrics.text()).get('qc_feature_drift{camera="top"}')).toBe(0.7);
  drift = undefined;
  expect(samples(await metrics.text()).has('qc_feature_drift{camera="top"}')).toBe(false);
});

it('limits the number of label values, for any recipes that a PLC sends', async () => {
  const metrics = createMetrics({ version: '1' });
  for (let i = 0; i < 500; i++) {
    metrics.partInspected({
      camera: 'top',
      recipe: `r${i}`,
      verdict: 'pass',
      label: 'good',
      probability: 1,
      timingsMs: { total: 1 },
    });
  }
  const lines = [...samples(await metrics.text()).keys()];
  expect(lines.filter((line) => line.startsWith('qc_parts_inspected_total')).length).toBe(65);
});

it('has a separate registry per instance', () => {
  expect(() => [createMetrics({ version: '1' }), createMetrics({ version: '2' })]).not.toThrow();
});

const promtoolMissing = spawnSync('promtool', ['--version']).error !== undefined;
if (promtoolMissing) console.warn('skipped: promtool is not installed here');
it.skipIf(promtoolMissing)('satisfies promtool', async () => {
  const own = (await filled().text())
    .split('\n')
    .filter((line) => /^(# (HELP|TYPE) )?qc_/.test(line))
    .join('\n');
  expect(execFileSync('promtool', ['check', 'metrics'], { input: `${own}\n`, encoding: 'utf8' })).toBe('');
});

it('shows the time of each stage for judged parts, without parts that waited for the broker', async () => {
  const metrics = createMetrics({ version: '1.2.3' });
  const timingsMs = { capture: 3, decode: 4, queue: 1, base: 22, inference: 23, total: 31 };
  metrics.partTimed({ state: 'completed', timingsMs });
  metrics.partTimed({ state: 'failed', timingsMs });
  for (let sequence = 1; sequence <= 300; sequence++) metrics.partStored({ camera: 'top', sequence }, 0);
  // Forgotten, of another run of the agent, acknowledged, and acknowledged again.
  for (const sequence of [1, 999, 300, 300]) metrics.partPublished({ camera: 'top', sequence });
  const found = samples(await metrics.text());
  const sum = (stage: string) => found.get(`qc_stage_seconds_sum{stage="${stage}"}`);
  const count = (stage: string) => found.get(`qc_stage_seconds_count{stage="${stage}"}`);
  expect([sum('base'), count('base')]).toEqual([0.022, 1]);
  expect(sum('decode')).toBe(0.004);
  // A sum of stages is not a stage.
  expect(count('inference')).toBeUndefined();
  expect(count('total')).toBeUndefined();
  expect([count('store'), count('publish')]).toEqual([300, 1]);
});
