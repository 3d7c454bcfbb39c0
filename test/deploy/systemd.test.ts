import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../config/package.ts';
import { tempFolder } from '../models/temp-folder.ts';

const folder = join(packageRoot, 'deploy/systemd');
const unit = 'qc-agent.service';
const read = (name: string) => readFileSync(join(folder, name), 'utf8');
/** systemd-analyze reads units without starting or changing anything. */
const analyze = (...args: readonly string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' });
const hasAnalyze = analyze('--version').status === 0;
if (!hasAnalyze) console.info('skipped: systemd-analyze is not installed here (systemd)');
const version = hasAnalyze ? Number(/systemd (\d+)/.exec(analyze('--version').stdout)?.[1]) : 0;

/** The unit with a drop-in, as below /etc, with the path of node on this machine. */
async function laid(path: string, dropIn: string | undefined): Promise<string> {
  const file = join(path, unit);
  await writeFile(file, read(unit).replace('ExecStart=/usr/bin/node', `ExecStart=${process.execPath}`));
  if (dropIn) {
    await mkdir(`${file}.d`);
    await writeFile(join(`${file}.d`, dropIn), read(dropIn));
  }
  return file;
}

describe.skipIf(!hasAnalyze)('the unit, as systemd reads it', () => {
  const dropIns = [undefined, 'gpu.conf', 'jetson.conf', ...(version >= 254 ? ['backoff.conf'] : [])];
  it.each(dropIns)('has no mistake (with %s)', async (dropIn) => {
    await using scratch = await tempFolder();
    const said = analyze('verify', '--man=no', await laid(scratch.path, dropIn));
    expect(`${said.stdout}${said.stderr}`).toBe('');
    expect(said.status).toBe(0);
  });

  it('a mistake would be found', async () => {
    await using scratch = await tempFolder();
    const file = join(scratch.path, unit);
    await writeFile(file, `${read(unit).replace('WatchdogSec=60s', 'WatchdogSec=often')}`);
    expect(analyze('verify', '--man=no', file).stderr).toContain('Failed to parse sec value');
  });

  it('restricts the service: exposure below 2 of 10', () => {
    const said = analyze('security', '--offline=yes', '--threshold=20', '--no-pager', join(folder, unit));
    expect(said.stdout).toContain('Overall exposure level');
    expect(said.status).toBe(0);
  });
});

describe('the settings of the unit', () => {
  const settings = (name: string) =>
    read(name)
      .split('\n')
      .filter((line) => /^\w+=/.test(line));

  it('accepts notifications of systemd-notify, and does not restart after errors that a restart cannot solve', () => {
    expect(settings(unit)).toEqual(
      expect.arrayContaining([
        'Type=notify',
        'NotifyAccess=all',
        'Restart=always',
        'RestartPreventExitStatus=2 3',
        'DynamicUser=yes',
        'StateDirectory=qc-agent',
      ]),
    );
  });

  it('it starts a file of the package', () => {
    const [, script] = /^ExecStart=\/usr\/bin\/node \/opt\/qc-agent\/current\/(\S+) run/m.exec(read(unit))!;
    const said = execFileSync(process.execPath, [join(packageRoot, script!), '--version'], {
      encoding: 'utf8',
    });
    expect(said.trim()).toBe(JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')).version);
  });
});
