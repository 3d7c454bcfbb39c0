import { spawnSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../config/package.ts';
import { tempFolder } from '../models/temp-folder.ts';

it('a test that passed only after a retry is reported by name, with its first error', async () => {
  await using folder = await tempFolder();
  symlinkSync(join(packageRoot, 'node_modules'), join(folder.path, 'node_modules'));
  writeFileSync(
    join(folder.path, 'moods.test.mjs'),
    `import { expect, it } from 'vitest';
    let runs = 0;
    it('is moody', () => { runs++; expect(runs).toBe(2); });
    it('is calm', () => {});`,
  );
  const reporter = join(packageRoot, 'dist/test/rigs/retried-tests.js');
  const vitest = join(packageRoot, 'node_modules/vitest/vitest.mjs');
  const { status, stdout } = spawnSync(
    process.execPath,
    [vitest, 'run', '--root', folder.path, '--retry', '1', '--reporter', reporter],
    { encoding: 'utf8' },
  );
  expect(status).toBe(0);
  expect(stdout).toContain('Retried tests:\n  passed after 2 attempts: moods.test.mjs > is moody\n');
  expect(stdout).toContain('first error: expected 1 to be 2');
  expect(stdout).not.toContain('is calm');
});
