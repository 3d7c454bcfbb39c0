import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { Closer } from '../../agent/lifecycle/closer.ts';
import { openSession } from '../../models/run/session.ts';
import { exportBase } from '../../models/versions/export.ts';
import { plate, storeHead } from '../models/fitted-head.ts';
import { writeTiny } from '../models/tiny-model.ts';
import { openHistorian } from '../rigs/historian.ts';
import { startInferenceServer } from '../rigs/inference-process.ts';
import { startAgent } from '../rigs/plant-agent.ts';
import { startBroker } from '../rigs/plant-broker.ts';
import { scrape } from '../rigs/plant-metrics.ts';
import { until } from '../rigs/until.ts';

const topic = 'plant/line-1/press-1/qc';
const shows = { top: 'good', side: 'scratch' } as const;
const verdictOf = { top: 'pass', side: 'fail' } as const;

it('no part is lost and each is judged correctly while the inference server is killed, frozen and restarted', async () => {
  await using opened = new Closer();
  const folder = await mkdtemp(join(tmpdir(), 'qc-remote-'));
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const storage = join(folder, 'storage');
  const base = await writeTiny(folder);
  {
    await using session = await openSession({ base, precision: 'auto', provider: 'cpu', threads: 1 });
    await storeHead(storage, session.facts.manifest, (image) => session.features(image));
  }
  const served = join(folder, 'served.onnx');
  await exportBase({ base, precision: 'auto' }, storage, served);
  const server = opened.use(await startInferenceServer(served));
  for (const [camera, label] of Object.entries(shows)) {
    await mkdir(join(folder, camera));
    for (let n = 0; n < 4; n++) {
      const { data, width, height } = plate(label, 100 + n);
      await sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(join(folder, camera, `${n}.png`));
    }
  }
  const broker = opened.use(await startBroker('aedes'));
  const historian = opened.use(await openHistorian(broker.url, topic));
  const camera = { trigger: { kind: 'continuous', everyMs: 50 }, maxFps: 20, freezeMs: 0 };
  const config = {
    station: 'press-1',
    cameras: { top: { ...camera, url: 'file:top' }, side: { ...camera, url: 'file:side' } },
    mqtt: { url: broker.url, topic },
    http: { port: 0 },
    model: {
      base,
      provider: 'remote',
      threads: 1,
      remote: { url: server.url, model: 'base', timeoutMs: 400 },
    },
    storage: { directory: storage },
    log: { format: 'json' },
  };
  await writeFile(join(folder, 'agent.yaml'), JSON.stringify(config));
  const agent = opened.use(startAgent(['run', '--config', 'agent.yaml'], { cwd: folder }));
  const url = String((await agent.logs('page, API and metrics are served')).url);
  const all = () => [...historian.results.values()].flat();
  const status = async () => (await (await fetch(`${url}/api/v1/status`)).json()) as { reasons: string[] };
  const judgedBy = (provider: RegExp) =>
    until(
      () => {
        const newest = all().filter(({ capturedAt }) => Date.parse(capturedAt) > since);
        return newest.filter(({ model }) => provider.test(model.provider)).length >= 20;
      },
      { timeoutMs: 30_000, everyMs: 50, what: `parts judged by ${provider}` },
    );
  let since = Date.now();
  const here = /^(cpu|webgpu|cuda|tensorrt)$/;

  await judgedBy(/^remote$/);
  expect((await status()).reasons).toEqual([]);

  since = Date.now();
  await server.die();
  await judgedBy(here);
  expect((await status()).reasons).toEqual([
    expect.stringMatching(
      /^the inference server http:\S+ cannot be reached: .*: parts are judged on this machine \(/,
    ),
  ]);
  expect((await scrape(url)).value('qc_remote_up')).toBe(0);

  since = Date.now();
  await server.comeBack();
  await judgedBy(/^remote$/);
  await until(async () => (await status()).reasons.length === 0, { what: 'the end of the notice' });

  since = Date.now();
  server.freeze();
  await judgedBy(here);
  expect((await status()).reasons[0]).toMatch(
    /does not respond within \d+ ms: parts are judged on this machine/,
  );

  since = Date.now();
  server.thaw();
  await judgedBy(/^remote$/);
  const metrics = await scrape(url);
  expect(metrics.value('qc_remote_up')).toBe(1);
  expect(metrics.value('qc_remote_requests_total', { outcome: 'timeout' })).toBeGreaterThanOrEqual(2);
  expect(metrics.value('qc_remote_requests_total', { outcome: 'unreachable' })).toBeGreaterThanOrEqual(1);
  expect(metrics.value('qc_inference_seconds_count', { provider: 'remote' })).toBeGreaterThan(40);

  expect((await agent.stop()).code).toBe(0);
  const said = agent.logLines.map(({ msg }) => msg).filter((msg) => msg.includes('inference server'));
  // One line when it fails, when the reason changes, and when it is back; not one per part.
  expect(said.length).toBeLessThanOrEqual(9);
  for (const name of ['top', 'side'] as const) {
    const results = historian.results.get(name)!;
    expect(results.map(({ sequence }) => sequence)).toEqual(results.map((_, index) => index + 1));
    const wrong = results.filter(
      ({ state, verdict }) => state !== 'completed' || verdict !== verdictOf[name],
    );
    // Only parts in work when the agent was stopped may have no verdict.
    expect(wrong.filter(({ state }) => state !== 'aborted')).toEqual([]);
    expect(wrong.length).toBeLessThanOrEqual(2);
  }
}, 120_000);
