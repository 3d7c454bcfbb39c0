import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../agent/doctor/finding.ts';
import { packageRoot, version } from '../../config/package.ts';
import { sources } from '../house/sources.ts';
import { tempFolder } from '../models/temp-folder.ts';

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

/** The content of the npm package, as one object for every version of npm. */
function pack(...args: readonly string[]): Packed {
  const said = JSON.parse(
    execFileSync('npm', ['pack', '--json', ...args], {
      cwd: packageRoot,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ) as Packed[] | Record<string, Packed>;
  return Object.values(said)[0]!;
}

/** A container image, a package, a release folder or a tag of this project. */
const ownVersion = /(?:qc-edge-agent[:-]|\/opt\/qc-agent\/|newTag: |ln -sfn )(\d+\.\d+\.\d+)/g;

describe('the package', () => {
  let paths: Set<string>;
  let size: number;
  beforeAll(() => {
    const packed = pack('--dry-run');
    paths = new Set(packed.files.map(({ path }) => path));
    size = packed.size;
  });

  it('contains the program, pages, deployment files and documentation, and nothing else', () => {
    const wanted = [
      'dist/agent/main.js',
      'dist/agent/demo/line-process.js',
      'dist/agent/camera/node-av/child.js',
      'dist/models/session-worker.js',
      'models/base/resnet50-embedded.onnx',
      'agent/demo/head/head.onnx',
      'agent/page/index.html',
      'config/agent.yaml',
      'config/agent.schema.json',
      'deploy/systemd/qc-agent.service',
      'deploy/docker/healthcheck.mjs',
      'deploy/compose/compose.yaml',
      'deploy/kubernetes/fleet/kustomization.yaml',
      'docs/deploy.md',
      'README.md',
      'LICENSE',
    ];
    expect(wanted.filter((path) => !paths.has(path))).toEqual([]);
    expect(
      [...paths].filter((path) =>
        /^(dist\/)?test\/|\.ts$|compose\/secrets|\.png$|^\.|^deploy\/[^/]*\.mjs$/.test(path),
      ),
    ).toEqual([]);
    expect(size).toBeLessThan(80_000_000);
  });

  it('every file loaded by the sources is in it', () => {
    const { files } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
      files: string[];
    };
    const folders = files.filter(
      (file) => !file.startsWith('!') && !file.includes('*') && file !== 'npm-shrinkwrap.json',
    );
    for (const folder of folders) {
      expect(
        [...paths].some((path) => path === folder || path.startsWith(`${folder}/`)),
        folder,
      ).toBe(true);
    }
  });

  it('every package of the lock file supports the Node.js that runs here', () => {
    const { stderr } = spawnSync('npm', ['ci', '--dry-run', '--offline', '--ignore-scripts'], {
      cwd: packageRoot,
      encoding: 'utf8',
    });
    expect(stderr).not.toContain('EBADENGINE');
  });

  it('every version in README, docs and deploy is the one in package.json', () => {
    const pages = ['README.md', ...sources(['docs', 'deploy'], '')];
    const named = pages.flatMap((page) =>
      [...readFileSync(join(packageRoot, page), 'latin1').matchAll(ownVersion)].map(
        (match) => `${page}: ${match[1]}`,
      ),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((one) => !one.endsWith(`: ${version}`))).toEqual([]);
    const lock = JSON.parse(readFileSync(join(packageRoot, 'package-lock.json'), 'utf8')) as {
      version: string;
    };
    expect(lock.version).toBe(version);
  });

  it('runs from its unpacked folder: its checks of model and configuration pass', async () => {
    await using scratch = await tempFolder();
    const { filename } = pack('--pack-destination', scratch.path);
    const home = join(scratch.path, 'home');
    await mkdir(home);
    execFileSync('tar', ['-xzf', join(scratch.path, filename), '-C', home, '--strip-components=1']);
    await symlink(join(packageRoot, 'node_modules'), join(home, 'node_modules'));
    const main = join(home, 'dist/agent/main.js');
    expect(execFileSync(process.execPath, [main, '--version'], { encoding: 'utf8' }).trim()).toBe(version);
    const config = join(scratch.path, 'agent.yaml');
    await writeFile(config, readFileSync(join(home, 'config/agent.yaml')));
    const said = spawnSync(process.execPath, [main, 'doctor', '--config', config, '--json'], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    const findings = JSON.parse(said.stdout) as Finding[];
    for (const check of ['config', 'model', 'disk']) {
      expect(
        findings.find((finding) => finding.check === check),
        check,
      ).toMatchObject({ ok: true });
    }
  }, 90_000);
});
