import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchReport } from '../../agent/bench/bench.ts';
import { openBroker } from '../../agent/demo/broker.ts';
import type { Result } from '../../agent/publish/messages.ts';
import { writeTiny } from '../models/tiny-model.ts';

const main = new URL('../../agent/main.js', import.meta.url).pathname;

describe('qc-agent bench', () => {
  let folder: string;
  let plant: Awaited<ReturnType<typeof openBroker>>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qc-line-'));
    plant = await openBroker();
  });
  afterAll(async () => {
    await plant[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function bench(args: readonly string[], onLine: (line: string) => void = () => undefined) {
    const child = spawn(process.execPath, [main, 'bench', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // A broker in the environment must not be used either.
      env: { ...process.env, QC_MQTT__URL: plant.url },
    });
    const lines: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      lines.push(line);
      onLine(line);
    });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    const [code] = await once(child, 'close');
    return { code, stdout, stderr: lines.join('\n') };
  }

  it('reports correct figures, and uses neither broker nor data of the user', async () => {
    const data = join(folder, 'data');
    await mkdir(data);
    await writeFile(join(data, 'kept'), 'as it is');
    const config = {
      station: 'press-1',
      cameras: { top: { url: 'rtsp://127.0.0.1:9/away' } },
      mqtt: { url: plant.url },
      model: { base: await writeTiny(folder), provider: 'cpu', threads: 1 },
      storage: { directory: data },
    };
    const file = join(folder, 'agent.yaml');
    await writeFile(file, JSON.stringify(config));

    // Another subscriber that counts independently.
    const heard: { result: Result; at: number }[] = [];
    let clients = 0;
    let listening: Promise<MqttClient> | undefined;
    const onLine = (line: string) => {
      clients = Math.max(clients, plant.clients);
      const broker = /broker is (mqtt:\S+)/.exec(line)?.[1];
      if (!broker) return;
      listening = connectAsync(broker, { reconnectPeriod: 0 }).then(async (client) => {
        client.on('message', (_topic, payload) =>
          heard.push({ result: JSON.parse(payload.toString()) as Result, at: Date.now() }),
        );
        await client.subscribeAsync('#', { qos: 1 });
        return client;
      });
    };
    const args = ['--cameras', '2', '--rate', '5', '--seconds', '2', '--size', '320x240', '--limit', '60000'];
    const { stdout, stderr } = await bench(['--config', file, ...args, '--json'], onLine);
    await (await listening)?.endAsync(true);

    const report = JSON.parse(stdout) as BenchReport;
    expect(report.model).toMatchObject({ base: 'tiny', precision: 'fp32', provider: 'cpu' });
    expect(report.inference).toHaveLength(2);
    expect(report.inference[0]).toMatchObject({ precision: 'fp32', perSecond: expect.any(Number) });
    expect(report.inference[1]).toMatchObject({ precision: 'int8', why: expect.stringContaining('int8') });
    expect(report.line).toMatchObject({ width: 320, height: 240, fps: 10, rate: 5 });
    expect(report.steps.length).toBeGreaterThan(0);
    for (const step of report.steps) {
      const from = Date.parse(step.startedAt);
      const came = heard.filter(
        ({ result, at }) =>
          'verdict' in result && 'timingsMs' in result && at >= from && at < from + step.seconds * 1000,
      );
      expect(step.parts, stderr).toBeGreaterThan(0);
      // The two subscribers are independent: at the start and end, one may receive a message a little later.
      expect(Math.abs(came.length - step.parts)).toBeLessThanOrEqual(2 * step.cameras);
      expect(new Set(came.map(({ result }) => result.camera)).size).toBe(step.cameras);
      expect(step.perSecond).toBeCloseTo((step.parts - step.lost.failed) / step.seconds, 6);
      const { p50, p95, p99 } = step.latencyMs;
      expect(p50).toBeGreaterThan(0);
      expect([p50, p95, p99]).toEqual([p50, p95, p99].toSorted((a, b) => a - b));
      expect(step.cores?.inference).toBeGreaterThan(0);
      expect(step.cores?.decoders).toBeGreaterThan(0);
      expect(step.memoryMb).toBeGreaterThan(20);
    }
    expect(clients).toBe(0);
    expect(await readdir(data)).toEqual(['kept']);
  });

  it('refuses invalid options with an explanation', async () => {
    for (const [args, wrong] of [
      [['--rate', '0'], 'a whole number from 1 to 30'],
      [['--size', '1281x720'], 'two even numbers'],
      [['--cameras', 'many'], 'a whole number from 1 to 64'],
    ] as const) {
      const { code, stdout, stderr } = await bench(args);
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).toContain(wrong);
    }
  });
});
