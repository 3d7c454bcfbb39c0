import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { doctorCommand } from '../../../agent/cli/doctor.ts';
import { openBroker } from '../../../agent/demo/broker.ts';
import type { Finding } from '../../../agent/doctor/finding.ts';
import { embeddedBases } from '../../../models/base.ts';
import { sealed } from '../../../models/disk/checksum.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { freePort } from '../../rigs/free-port.ts';
import { addHead } from '../../rigs/heads.ts';
import { openInferenceServer } from '../../rigs/inference-server.ts';

const main = fileURLToPath(new URL('../../../agent/main.js', import.meta.url));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function doctor(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'doctor', ...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

/** A valid configuration with a folder of one image and a head. JSON is valid YAML. */
async function writeConfig(
  scratch: { readonly path: string },
  over: Record<string, unknown> = {},
): Promise<string> {
  await mkdir(join(scratch.path, 'pictures'), { recursive: true });
  const picture = sharp({ create: { width: 320, height: 240, channels: 3, background: '#7a8088' } });
  await writeFile(join(scratch.path, 'pictures', '1.png'), await picture.png().toBuffer());
  const file = join(scratch.path, 'agent.yaml');
  const config = {
    station: 'press-3',
    cameras: { top: { url: 'file:pictures' } },
    http: { port: 0 },
    model: { provider: 'cpu' },
    ...over,
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

it('passes a correct set-up: one line per check, exit 0', async () => {
  await using scratch = await tempFolder();
  await using broker = await openBroker();
  const version = await addHead(join(scratch.path, 'data'), { promote: true });
  const file = await writeConfig(scratch, { mqtt: { url: broker.url } });
  const { code, stdout, stderr } = await doctor('--config', file);
  expect(stderr).toBe('');
  const checks = [...stdout.matchAll(/^ok {4}([a-z ]+): /gm)].map((match) => match[1]);
  expect(checks.slice(0, 8)).toEqual([
    'config',
    'clock',
    'disk',
    'outbox',
    'http',
    'model',
    'provider',
    'head',
  ]);
  expect(checks.slice(8).sort()).toEqual(['broker', 'broker', 'camera top']);
  expect(stdout).toContain(`head: ${version} has the labels good, scratch; good: good`);
  expect(stdout).toMatch(/\nready to run\n$/);
  expect(code).toBe(0);
});

it('shows the inference server, its model and the time per image', async () => {
  await using scratch = await tempFolder();
  await using server = await openInferenceServer({
    model: await readFile(join(embeddedBases, 'resnet50-embedded.onnx')),
  });
  const remote = { url: server.url, model: 'base', timeoutMs: 5_000 };
  const file = await writeConfig(scratch, { model: { provider: 'remote', threads: 1, remote } });
  const { stdout } = await doctor('--config', file);
  expect(stdout).toMatch(
    /^ok {4}inference server: test server 1\.0 at \S+, model base, version 1, binary data, up to 4 images per request, \d+ ms per image$/m,
  );
  expect(stdout).toMatch(/^ok {4}provider: remote/m);
});

it('reports each failure with its remedy, and exits 1', async () => {
  await using scratch = await tempFolder();
  const mqtt = { url: 'mqtt://127.0.0.1:9', username: 'press', passwordFile: 'secret' };
  await writeFile(join(scratch.path, 'secret'), 'hunter2\n', { mode: 0o600 });
  const file = await writeConfig(scratch, { mqtt });
  const { code, stdout } = await doctor('--config', file, '--json');
  const findings = JSON.parse(stdout) as Finding[];
  expect(findings.filter(({ ok }) => !ok)).toMatchObject([
    { check: 'broker', level: 'fail', remedy: expect.stringContaining('check mqtt.url') },
  ]);
  expect(findings).toContainEqual(
    expect.objectContaining({
      check: 'head',
      ok: true,
      level: 'warn',
      detail: 'none yet: every part is uncertain',
    }),
  );
  expect(stdout).not.toContain('hunter2');
  expect(code).toBe(1);
});

it('reports all errors of a configuration, and exits 1', async () => {
  await using scratch = await tempFolder();
  const file = await writeConfig(scratch, {
    cameras: {
      top: { url: 'rtsp://qc:hunter2@h/a' },
      side: { url: 'rtsp://h/a', region: { x: 0.5, width: 0.9 } },
    },
    mqqt: {},
  });
  const { code, stdout } = await doctor('-c', file);
  expect(stdout).toMatch(/^FAIL {2}config: .*cameras\.top\.url: the address contains a password — /m);
  expect(stdout).toMatch(/^FAIL {2}config: .*region\.width: .*leaves the frame on the right/m);
  expect(stdout).toMatch(/^FAIL {2}config: .*mqqt: unknown key; did you mean mqtt\?/m);
  expect(stdout).toMatch(/3 problems; the rest can be checked once the configuration is valid/);
  expect(stdout).not.toContain('hunter2');
  expect(code).toBe(1);
});

it('exits 2 without a configuration', async () => {
  const { code, stdout, stderr } = await doctor('-c', '/nowhere/agent.yaml');
  expect(stderr).toMatch(/^error: \/nowhere\/agent\.yaml: there is no such file — /);
  expect(stdout).toBe('');
  expect(code).toBe(2);
});

const models: {
  what: string;
  prepare: (scratch: { readonly path: string }) => Promise<Record<string, unknown>>;
  check: string;
  detail: RegExp;
  remedy: RegExp;
}[] = [
  {
    what: 'a base with a wrong hash',
    async prepare(scratch) {
      const name = 'resnet50-embedded';
      const manifest = await readFile(join(embeddedBases, `${name}.json`), 'utf8');
      const { checksum, ...other } = JSON.parse(manifest.replace(/"sha256": "..../, '"sha256": "0000'));
      await writeFile(join(scratch.path, `${name}.json`), JSON.stringify(sealed(other)));
      await copyFile(join(embeddedBases, `${name}.onnx`), join(scratch.path, `${name}.onnx`));
      return { model: { base: `./${name}.onnx` } };
    },
    check: 'model',
    detail: /is not the file that its manifest describes: sha256/,
    remedy: /copy the file again/,
  },
  {
    what: 'a provider that this machine does not have',
    prepare: async () => ({ model: { provider: 'tensorrt' } }),
    check: 'model',
    detail: /no provider can run the model: tensorrt: /,
    remedy: /set model\.provider to auto or cpu/,
  },
  {
    what: 'an inference server that is not running',
    prepare: async () => ({
      model: {
        provider: 'remote',
        remote: { url: `http://127.0.0.1:${await freePort()}`, model: 'base' },
      },
    }),
    check: 'inference server',
    detail: /^http:\S+ cannot be reached: connect ECONNREFUSED/,
    remedy: /check model\.remote\.url/,
  },
  {
    what: 'a head for another base',
    async prepare(scratch) {
      await addHead(join(scratch.path, 'data'), { base: 'f'.repeat(64), promote: true });
      return {};
    },
    check: 'head',
    detail: /was trained on the base/,
    remedy: /train a new version/,
  },
  {
    what: 'labels that the head does not know',
    async prepare(scratch) {
      await addHead(join(scratch.path, 'data'), { promote: true });
      return { labels: { good: ['io'] } };
    },
    check: 'head',
    detail: /has the labels good, scratch, but labels\.good also names io: no part can pass/,
    remedy: /add to labels\.good/,
  },
  {
    what: 'a recipe whose head does not exist',
    async prepare(scratch) {
      const head = await addHead(join(scratch.path, 'data'), { promote: true });
      return { recipes: { bolts: { head }, nuts: { head: '2020-01-01.1' } } };
    },
    check: 'recipe nuts',
    detail: /there is no version "2020-01-01\.1"/,
    remedy: /models list/,
  },
];

it.each(models)('finds $what', async ({ prepare, check, detail, remedy }) => {
  await using scratch = await tempFolder();
  await using broker = await openBroker();
  const file = await writeConfig(scratch, { mqtt: { url: broker.url }, ...(await prepare(scratch)) });
  const lines: string[] = [];
  const tell = (line: string) => void lines.push(line);
  const findings = await doctorCommand(file, {}, { signal: new AbortController().signal, tell });
  const failed = findings.filter(({ ok }) => !ok);
  expect(failed).toMatchObject([{ check }]);
  expect(failed[0]?.detail).toMatch(detail);
  expect(failed[0]?.remedy).toMatch(remedy);
  expect(lines.at(-1)).toMatch(/^\n1 problem, /);
});

it('reports its findings when it is stopped', async () => {
  await using scratch = await tempFolder();
  const stop = new AbortController();
  const lines: string[] = [];
  const findings = await doctorCommand(
    await writeConfig(scratch),
    {},
    {
      signal: stop.signal,
      tell(line) {
        lines.push(line);
        if (line.includes('http:')) stop.abort();
      },
    },
  );
  expect(findings.map(({ check }) => check)).toEqual(['config', 'clock', 'disk', 'outbox', 'http']);
  expect(lines.at(-1)).toBe('\nstopped');
});
