import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkClock } from '../../../agent/doctor/clock.ts';
import { checkDisk, roomFinding } from '../../../agent/doctor/disk.ts';
import { checkHttp } from '../../../agent/doctor/http.ts';
import { type Config, configSchema } from '../../../config/schema.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { openShim, shimMissing } from '../../rigs/shim.ts';
import { openStationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

const never = new AbortController().signal;

describe('the clock', () => {
  const now = Date.parse('2026-12-24T12:00:00Z');

  it('is earlier than this program or than a saved file', async () => {
    await using scratch = await tempFolder();
    const file = join(scratch.path, 'agent.yaml');
    await writeFile(file, '');
    await utimes(file, now / 1000, now / 1000);
    expect(await checkClock(file, {}, 0)).toMatchObject([
      {
        level: 'fail',
        detail: expect.stringContaining('1970'),
        remedy: expect.stringContaining('synchronize the clock'),
      },
    ]);
    expect(await checkClock(file, {}, now - 3_600_000)).toMatchObject([
      { level: 'fail', detail: expect.stringMatching(/is earlier than the last change of .*agent\.yaml/) },
    ]);
    expect(await checkClock(file, {}, now)).toMatchObject([{ level: 'ok' }]);
  });

  it.each([
    ['yes', 'ok'],
    ['no', 'warn'],
  ])('as reported by timedatectl: NTPSynchronized=%s', async (answer, level) => {
    await using scratch = await tempFolder();
    const tool = join(scratch.path, 'timedatectl');
    await writeFile(tool, `#!/bin/sh\necho NTPSynchronized=${answer}\n`);
    await chmod(tool, 0o755);
    expect(await checkClock(tool, { PATH: `${scratch.path}:${process.env.PATH}` })).toMatchObject([
      { level },
    ]);
  });
});

describe('the disk', () => {
  /** The doctor's answer about a storage directory, in its own process. */
  async function diagnose(directory: string, env: Readonly<Record<string, string>> = {}) {
    const main = fileURLToPath(new URL('../../../agent/main.js', import.meta.url));
    const scratch = await tempFolder();
    const file = join(scratch.path, 'agent.yaml');
    const pictures = join(scratch.path, 'pictures');
    await mkdir(pictures);
    const config = {
      station: 'press-1',
      cameras: { top: { url: `file:${pictures}`, trigger: { kind: 'continuous', everyMs: 500 } } },
      mqtt: { url: 'mqtt://127.0.0.1:1' },
      http: { port: 0 },
      storage: { directory },
    };
    await writeFile(file, JSON.stringify(config));
    const child = spawn(process.execPath, [main, 'doctor', '--config', file], {
      env: { ...process.env, ...env },
    });
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    return {
      child,
      closed: once(child, 'close').then(async () => {
        await scratch[Symbol.asyncDispose]();
        return said;
      }),
      said: () => said,
    };
  }

  it.skipIf(process.platform !== 'linux').each(['/proc/qc', '/proc', '/sys/qc'])(
    'cannot hold data at %s, and the doctor ends',
    async (directory) => {
      const { closed } = await diagnose(directory);
      expect(await closed).toMatch(/^FAIL +disk: .* is on a file system that cannot hold data/m);
    },
  );

  it.skipIf(shimMissing)(
    'hangs: the doctor reports it, and ends immediately on request',
    async () => {
      await using scratch = await tempFolder();
      await using shim = await openShim();
      await shim.fail({ errno: -3_600, path: scratch.path });
      const late = await diagnose(scratch.path, shim.env);
      expect(await late.closed).toMatch(/^FAIL +disk: no answer within 10 s/m);
      const stopped = await diagnose(scratch.path, shim.env);
      await until(() => stopped.said().includes('clock'), {
        timeoutMs: 30_000,
        what: 'the doctor to come to the disk',
      });
      stopped.child.kill('SIGTERM');
      expect(await stopped.closed).toContain('stopped');
    },
    60_000,
  );

  it('has enough free space, little, or none', () => {
    expect(roomFinding('/data', 82.9e9)).toMatchObject({ level: 'ok', detail: '/data: 82.9 GB free' });
    expect(roomFinding('/data', 1.9e9)).toMatchObject({ level: 'warn' });
    expect(roomFinding('/data', 199e6)).toMatchObject({ level: 'fail', detail: '/data: 199 MB free' });
    expect(roomFinding('/data', 82.9e9, true)).toMatchObject({ level: 'fail' });
  });

  it('is not changed', async () => {
    await using scratch = await tempFolder();
    const [finding] = await checkDisk(join(scratch.path, 'data', 'line'));
    expect(finding?.detail).toContain('the agent creates it when it starts');
    expect(await readdir(scratch.path)).toEqual([]);
  });

  it('contains data of a newer agent, which is refused', async () => {
    await using scratch = await tempFolder();
    await writeFile(join(scratch.path, 'version'), '{"schema":1,"layout":99,"since":"9.0.0"}');
    expect(await checkDisk(scratch.path)).toMatchObject([
      { level: 'fail', detail: expect.stringContaining('written by qc-edge-agent 9.0.0 in layout 99') },
    ]);
  });

  it('cannot be written if a file has the name of the folder', async () => {
    await using scratch = await tempFolder();
    await writeFile(join(scratch.path, 'data'), '');
    expect(await checkDisk(join(scratch.path, 'data', 'line'))).toMatchObject([
      { level: 'fail', detail: expect.stringContaining('is a file') },
    ]);
  });

  const own = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt']);
  if (own.status !== 0)
    console.warn('doctor: small and read-only disks skipped, this user may not mount any');
  it.skipIf(own.status !== 0).each([
    ['size=1m', /MB free/, /free some space/],
    ['size=1g,ro', /read-only/, /mount it for writing/],
  ])('is a real one mounted with %s', async (options, detail, remedy) => {
    await using scratch = await tempFolder();
    await mkdir(join(scratch.path, 'data'));
    const module = fileURLToPath(new URL('../../../agent/doctor/disk.js', import.meta.url));
    const program = `const { checkDisk } = await import(${JSON.stringify(module)});
      console.log(JSON.stringify(await checkDisk(${JSON.stringify(join(scratch.path, 'data'))})));`;
    const { stdout } = spawnSync(
      'unshare',
      [
        '-rm',
        'sh',
        '-c',
        'mount -t tmpfs -o "$1" tmpfs "$2" && exec "$3" --input-type=module -e "$4"',
      ].concat(['sh', options, join(scratch.path, 'data'), process.execPath, program]),
      { encoding: 'utf8' },
    );
    const [finding] = JSON.parse(stdout);
    expect(finding).toMatchObject({ level: 'fail', ok: false });
    expect(finding.detail).toMatch(detail);
    expect(finding.remedy).toMatch(remedy);
  });
});

describe('the HTTP port', () => {
  const configWith = (http: Partial<Config['http']>, camera = 'top') =>
    configSchema.parse({ station: 's', cameras: { [camera]: { url: 'rtsp://h/a' } }, http }) as Config;

  it('is free', async () => {
    expect(await checkHttp(configWith({ port: 0 }), never)).toMatchObject([{ level: 'ok' }]);
  });

  it('is used by another program', async () => {
    const other = createServer((_, answer) => answer.end('{}')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    expect(await checkHttp(configWith({ port }), never)).toMatchObject([
      {
        level: 'fail',
        detail: expect.stringContaining('another program'),
        remedy: expect.stringContaining('http.port'),
      },
    ]);
    other.close();
  });

  it('is used by the agent itself, or by one with other cameras', async () => {
    await using station = await openStationRig();
    station.checks = [
      { name: 'camera top', ready: false, reason: 'connecting' },
      { name: 'broker', ready: true, reason: '' },
    ];
    const port = Number(new URL(station.http.url).port);
    expect(await checkHttp(configWith({ port }), never)).toMatchObject([
      { level: 'ok', detail: expect.stringContaining('this agent, which is running') },
    ]);
    expect(await checkHttp(configWith({ port }, 'side'), never)).toMatchObject([
      { level: 'fail', detail: expect.stringContaining('other cameras (top)') },
    ]);
  });

  it('is on an address of another machine, or has invalid tokens', async () => {
    await using scratch = await tempFolder();
    const tokensFile = join(scratch.path, 'tokens');
    await writeFile(tokensFile, 'grafana viewer qc_not-a-hash\n');
    const [tokens] = await checkHttp(configWith({ port: 0, tokensFile }), never);
    expect(tokens).toMatchObject({ level: 'fail', detail: expect.stringContaining('line 1') });
    expect(JSON.stringify(tokens)).not.toContain('qc_not-a-hash');
    expect(await checkHttp(configWith({ port: 0, host: '192.0.2.7' }), never)).toMatchObject([
      { level: 'fail', detail: '192.0.2.7 is not an address of this machine' },
    ]);
  });
});
