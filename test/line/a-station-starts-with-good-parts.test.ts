import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { Result } from '../../agent/publish/messages.ts';
import type { Overview, TrainingView } from '../../calibration/views.ts';
import type { Image } from '../../models/image.ts';
import { plate, writePlateBase } from '../calibration/plate.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { type AgentProcess, startAgent } from '../rigs/plant-agent.ts';
import { until } from '../rigs/until.ts';

const pngOf = ({ width, height, data }: Image) =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();

describe('a station starts with good parts', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let agent: AgentProcess;
  let url: string;
  beforeAll(async () => {
    folder = await tempFolder();
    // The images of each camera are known: the test labels them by camera.
    for (const [label, count] of [
      ['good', 14],
      ['stain', 5],
    ] as const) {
      await mkdir(join(folder.path, label));
      for (let i = 0; i < count; i++) {
        await writeFile(join(folder.path, label, `${100 + i}.png`), await pngOf(plate(label, i)));
      }
    }
    const camera = { trigger: { kind: 'continuous', everyMs: 200 }, freezeMs: 0 };
    const config = {
      station: 'press-1',
      cameras: { good: { url: 'file:good', ...camera }, stain: { url: 'file:stain', ...camera } },
      http: { port: 0 },
      model: { base: (await writePlateBase(folder.path)).base, provider: 'cpu', threads: 1 },
      storage: { directory: './storage' },
      training: { views: 'none', quantize: false },
      log: { format: 'json' },
    };
    const file = join(folder.path, 'agent.yaml');
    await writeFile(file, stringify(config));
    agent = startAgent(['run', '--config', file], { cwd: folder.path });
    ({ url } = (await agent.logs('page, API and metrics are served')) as unknown as { url: string });
  });
  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const get = async <T>(path: string): Promise<T> => (await fetch(`${url}/api/v1/${path}`)).json() as T;
  async function post(path: string, body: object) {
    const response = await fetch(`${url}/api/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return response.status;
  }
  async function label(name: string, count: number): Promise<void> {
    const tried = new Set<string>();
    const isDone = async () => {
      const { labels } = await get<Overview>('calibration');
      return (labels.find((one) => one.name === name)?.count ?? 0) >= count;
    };
    await until(
      async () => {
        for (const { resultId } of await get<Result[]>(`results?camera=${name}`)) {
          if (await isDone()) return true;
          if (tried.has(resultId)) continue;
          tried.add(resultId);
          await post('labels', { resultId, label: name });
        }
        return isDone();
      },
      { timeoutMs: 60_000, everyMs: 300, what: `${count} labels ${name}` },
    );
  }
  async function train(): Promise<Record<string, unknown>> {
    expect(await post('training/start', { promote: true })).toBe(200);
    const training = await until(
      async () => {
        const now = await get<TrainingView>('training');
        return now.state === 'running' ? undefined : now;
      },
      { timeoutMs: 150_000, everyMs: 250, what: 'the training to end' },
    );
    expect(training).toMatchObject({ state: 'done', error: null });
    return await get(`models/${training.version}/report`);
  }
  async function classify(of: 'good' | 'stain', count: number) {
    const said = [];
    for (let i = 0; i < count; i++) {
      const body = new Uint8Array(await pngOf(plate(of, 500 + i)));
      const headers = { 'content-type': 'image/png' };
      const response = await fetch(`${url}/api/v1/classify`, { method: 'POST', headers, body });
      said.push((await response.json()) as Pick<Result, 'verdict' | 'label' | 'reasons'>);
    }
    return said;
  }

  it('states how many good parts are missing, and learns from twelve of them to refuse unusual ones', async () => {
    expect(await post('mode', { mode: 'calibration' })).toBe(200);
    await label('good', 5);
    expect(await post('training/start', {})).toBe(200);
    const failed = await until(
      async () => {
        const now = await get<TrainingView>('training');
        return now.state === 'failed' ? now : undefined;
      },
      { timeoutMs: 60_000, what: 'the training to be refused' },
    );
    expect(failed.error).toMatchObject({
      code: 'training-impossible',
      message: 'a model version for good parts only needs 10 of them, and there are 5: 5 more',
    });

    await label('good', 12);
    const report = await train();
    expect(report).toMatchObject({ goodOnly: { parts: 12, defects: [] }, gate: { allowed: true } });
    expect((await get<Overview>('calibration')).active).not.toBeNull();
    const good = await classify('good', 6);
    expect(good.filter(({ verdict }) => verdict === 'pass').length).toBeGreaterThan(3);
    expect(good.some(({ verdict }) => verdict === 'fail')).toBe(false);
    const [odd] = await classify('stain', 1);
    expect(odd).toMatchObject({ verdict: 'uncertain' });
    expect(odd!.reasons[0]).toMatch(/^unlike the good parts \(score \d+\.\d\d, limit \d+\.\d\d\)$/);
  }, 200_000);

  it('recognises a defect after enough parts, and still refuses unusual ones', async () => {
    await label('stain', 5);
    const report = await train();
    expect(report).toMatchObject({ labels: ['good', 'stain'] });
    expect(report.goodOnly).toBeUndefined();
    const stains = await classify('stain', 6);
    expect(stains.some(({ verdict }) => verdict === 'pass')).toBe(false);
  }, 200_000);
});
