import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { Overview } from '../../calibration/views.ts';
import { type Label, surface } from '../calibration/surface.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { tinyClassifier, writeTiny } from '../models/tiny-model.ts';
import { type AgentProcess, startAgent } from '../rigs/plant-agent.ts';
import { until } from '../rigs/until.ts';

const main = fileURLToPath(new URL('../../agent/main.js', import.meta.url));
const run = promisify(execFile);

const png = ({ width, height, data }: ReturnType<typeof surface>) =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();

describe('a station whose base has changed never judges with an old head', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let agent: AgentProcess;
  let config: string;
  let url: string;
  let old: string;

  const cli = async (...args: string[]) => {
    const { stdout } = await run(process.execPath, [main, ...args, '--config', config, '--json'], {
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    return JSON.parse(stdout);
  };
  const settings = (more: object = {}) =>
    writeFile(
      config,
      stringify({
        station: 'press-1',
        cameras: { top: { url: 'file:./part.png' } },
        mqtt: { url: 'mqtt://127.0.0.1:1' },
        model: { base: join(folder.path, 'tiny.onnx'), provider: 'cpu' },
        http: { port: 0 },
        storage: { directory: './storage' },
        training: { quantize: false, views: 'none' },
        log: { format: 'json' },
        ...more,
      }),
    );
  /** As in an upgrade of the package: another file under the same path. */
  const replaceBase = (seed: number) =>
    writeTiny(folder.path, { name: `tiny-${seed}` }, tinyClassifier(seed));
  const get = async <T>(path: string): Promise<T> => (await fetch(`${url}/api/v1/${path}`)).json() as T;
  const post = (path: string, body: string | Uint8Array<ArrayBuffer>, type: string) =>
    fetch(`${url}/api/v1/${path}`, { method: 'POST', headers: { 'content-type': type }, body });
  async function classify(label: Label, seed: number) {
    const answer = await post('classify', new Uint8Array(await png(surface(label, seed))), 'image/png');
    return (await answer.json()) as { verdict: string; evaluation: number; model: { version: string } };
  }

  beforeAll(async () => {
    folder = await tempFolder();
    config = join(folder.path, 'agent.yaml');
    await writeFile(join(folder.path, 'part.png'), await png(surface('good', 99)));
    for (const label of ['good', 'stain', 'bright'] as const) {
      await mkdir(join(folder.path, 'parts', label), { recursive: true });
      for (let i = 1; i <= 14; i++) {
        await writeFile(join(folder.path, 'parts', label, `${i}.png`), await png(surface(label, i)));
      }
    }
    await replaceBase(4);
    await settings();
    await cli('dataset', 'import', join(folder.path, 'parts'));
    const trained = await cli('train', '--promote');
    expect(trained).toMatchObject({ promoted: true });
    old = trained.version;
    await replaceBase(1);
    await settings({ recipes: { bolts: { head: old } } });
    agent = startAgent(['run', '--config', config], { cwd: folder.path });
    url = String((await agent.logs('page, API and metrics are served')).url);
  }, 60_000);
  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  it('starts, names both bases and the remedy, and passes no part', async () => {
    const said = await agent.logs(
      /^model version .* was trained on the base tiny-4 .*, the base in use is tiny-1 /,
    );
    expect(said.msg).toMatch(/every part is uncertain — train a new version .*qc-agent models refit/);
    await agent.logs('the model is ready');
    const { reasons, model } = await get<{ reasons: string[]; model: string }>('status');
    expect(reasons).toContainEqual(
      expect.stringMatching(`model version ${old} was trained on the base tiny-4`),
    );
    expect(model).toBe('none');
    expect((await get<Overview>('calibration')).misfit).toContain('the base in use is tiny-1');
    for (const label of ['good', 'stain'] as const) {
      expect(await classify(label, 50)).toMatchObject({
        verdict: 'uncertain',
        evaluation: 0,
        model: { version: 'none' },
      });
    }
  });

  it('refuses a recipe with an old head, and judges nothing with another head while it is active', async () => {
    const refused = await post('recipe', JSON.stringify({ recipe: 'bolts' }), 'application/json');
    expect(await refused.json()).toMatchObject({ error: { code: 'head-base-mismatch' } });
  });

  it('trains again from its labels on request of the page, compares the result with the answers of the old head, and judges', async () => {
    const started = await post('training/start', JSON.stringify({ promote: true }), 'application/json');
    expect(started.status).toBe(200);
    const { active, training } = await until(
      async () => {
        const now = await get<Overview>('calibration');
        return now.training.state === 'running' ? undefined : now;
      },
      { what: 'the end of the training', timeoutMs: 60_000, everyMs: 100 },
    );
    expect(training).toMatchObject({ state: 'done', error: null });
    expect(active).not.toBe(old);
    expect((await get<Overview>('calibration')).misfit).toBeNull();
    const [version] = await get<{ gate: string }[]>('models');
    expect(version!.gate).toMatch(new RegExp(`of 42 parts it gets \\d+ right that ${old} gets wrong`));
    expect(await classify('good', 50)).toMatchObject({ verdict: 'pass', model: { version: active } });
    expect((await classify('stain', 51)).verdict).not.toBe('pass');
  });

  it('does the same on the command line, with an active recipe whose head is old', async () => {
    await agent.stop();
    const { active } = await cli('models', 'refit');
    await writeFile(join(folder.path, 'storage', 'recipe.json'), '{"schema":1,"recipe":"bolts"}\n');
    expect(active).not.toBe(old);
    await replaceBase(3);
    const refitted = await cli('models', 'refit');
    expect(refitted).toMatchObject({ promoted: true, gate: { allowed: true } });
    agent = startAgent(['run', '--config', config], { cwd: folder.path });
    url = String((await agent.logs('page, API and metrics are served')).url);
    await agent.logs(/^the recipe bolts cannot be used: model version .* was trained on the base tiny-4 /);
    expect(await classify('good', 50)).toMatchObject({ verdict: 'uncertain', model: { version: 'none' } });
    expect((await post('recipe', '{"recipe":"default"}', 'application/json')).status).toBe(200);
    expect(await classify('good', 50)).toMatchObject({
      verdict: 'pass',
      model: { version: refitted.version },
    });
  });
});
