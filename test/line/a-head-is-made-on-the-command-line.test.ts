import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { surface } from '../calibration/surface.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { writeTiny } from '../models/tiny-model.ts';

const main = fileURLToPath(new URL('../../agent/main.js', import.meta.url));
const run = promisify(execFile);

describe('a head is made on the command line', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let config: string;
  let pictures: string;

  beforeAll(async () => {
    folder = await tempFolder();
    const base = await writeTiny(folder.path);
    config = join(folder.path, 'agent.yaml');
    await writeFile(
      config,
      stringify({
        station: 'press-1',
        cameras: { top: { url: 'file:.' } },
        model: { base, provider: 'cpu' },
        http: { port: 1 },
        storage: { directory: './storage' },
      }),
    );
    pictures = join(folder.path, 'pictures');
    for (const label of ['good', 'stain', 'bright'] as const) {
      await mkdir(join(pictures, label), { recursive: true });
      for (let i = 1; i <= 14; i++) {
        const { width, height, data } = surface(label, i);
        await sharp(data, { raw: { width, height, channels: 3 } })
          .png()
          .toFile(join(pictures, label, `${i}.png`));
      }
    }
  });
  afterAll(() => folder?.[Symbol.asyncDispose]());

  /** Exit code and output. */
  async function agent(...args: string[]) {
    const options = { env: { ...process.env, NODE_OPTIONS: '' } };
    const { stdout, stderr, code } = await run(process.execPath, [main, ...args, '--config', config], options)
      .then((done) => ({ ...done, code: 0 }))
      .catch((error: { stdout: string; stderr: string; code: number }) => error);
    return { stdout, stderr, code };
  }
  const json = async (...args: string[]) => {
    const { stdout, stderr, code } = await agent(...args, '--json');
    expect(stderr).toBe('');
    return { code, value: JSON.parse(stdout) };
  };

  it('names the first step if nothing is labelled', async () => {
    const { code, stderr, stdout } = await agent('train');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      'error: there are no labelled frames — label more parts: ten good ones, or at least four of each label, good ones and bad ones (qc-agent dataset stats counts them)\n',
    );
    const doctor = await agent('dataset', 'doctor');
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toContain('there are no labelled frames');
  });

  it('imports, checks, trains, promotes, and exports one file for other runtimes', async () => {
    expect((await json('dataset', 'import', pictures)).value).toMatchObject({ added: 42, skipped: [] });
    expect((await json('dataset', 'doctor')).code).toBe(0);
    const first = await json('train', '--promote', '--augment', 'light,blur');
    expect(first).toMatchObject({
      code: 0,
      value: {
        version: expect.stringMatching(/\.1$/),
        promoted: true,
        augment: ['light', 'blur'],
        frames: 42,
      },
    });
    expect(first.value.accuracy).toBeGreaterThan(0.8);
    expect(first.value.latencyMs).toBeGreaterThan(0);
    const listed = await json('models', 'list');
    expect(listed.value).toMatchObject([{ version: first.value.version, active: true }]);
    const file = join(folder.path, 'whole.onnx');
    expect((await json('models', 'export', first.value.version, file)).value).toMatchObject({
      labels: ['bright', 'good', 'stain'],
    });
    expect((await readFile(file)).length).toBeGreaterThan(1_000);
  });

  it('makes the same head from the same seed, and prints its figures as text', async () => {
    const again = await agent('train', '--augment', 'light,blur');
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(
      /^candidate .*\.2: .* correct on held-out parts \(42 frames, 5 folds\); active version .*\.1: /,
    );
    expect(again.stdout).toMatch(/^ok +negative-transfer|^WARNING +negative-transfer/m);
    expect(again.stdout).toMatch(/^To use it: qc-agent models promote|REFUSED/m);
    const hash = async (version: number) => {
      const [name] = (await readdir(join(folder.path, 'storage', 'models'))).filter((one) =>
        one.endsWith(`.${version}`),
      );
      const text = await readFile(join(folder.path, 'storage', 'models', name!, 'manifest.json'), 'utf8');
      return JSON.parse(text).head.sha256;
    };
    expect(await hash(2)).toBe(await hash(1));
  });

  it('survives a disk that becomes full during training: no incomplete files remain, and the message has a remedy', async () => {
    const versions = (await json('models', 'list')).value.length;
    await rm(join(folder.path, 'storage', 'features'), { recursive: true });
    // No file may grow beyond 1 kB, as if the disk were full.
    const command = `ulimit -f 1; exec "${process.execPath}" "${main}" train --config "${config}"`;
    const full = await run('bash', ['-c', command]).catch((error: { stderr: string; code: number }) => error);
    expect(full).toMatchObject({ code: 1 });
    expect(full.stderr).toContain('features are not cached for the next training');
    expect(full.stderr).toMatch(/the candidate cannot be stored: .* — check for a full disk/);
    const after = (await json('models', 'list')).value as { active: boolean }[];
    expect(after.length).toBe(versions);
    expect(after.filter(({ active }) => active).length).toBe(1);
    expect((await agent('train')).code).toBe(0);
  });

  it('refuses unknown values and lists the known ones', async () => {
    expect((await agent('train', '--augment', 'snow')).stderr).toContain(
      'valid names are light, blur, crop and rotate',
    );
    expect((await agent('train', '--views', 'upside')).stderr).toContain('none, flips, turns');
    expect((await agent('models', 'promote', '2020-01-01.1')).stderr).toContain('there is no version');
    const nobody = await agent('calibrate', 'on');
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toContain('no agent answers at http://127.0.0.1:1');
    expect((await agent('calibrate', 'maybe')).code).toBe(2);
  });
});
