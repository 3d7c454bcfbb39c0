import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../config/package.ts';

/** Packages of `apt-get install`: the words after its options, up to the next command. */
function installed(file: string): string[] {
  const text = readFileSync(join(packageRoot, file), 'utf8').replaceAll('\\\n', ' ');
  const arguments_ = /apt-get install ([^\n&]*)/.exec(text)?.[1] ?? '';
  return arguments_.split(/\s+/).filter((word) => word !== '' && !word.startsWith('-'));
}

it('the dev container has the same counterparts as CI', () => {
  const ci = installed('.ci/run');
  expect(ci).toContain('mosquitto');
  expect(installed('.devcontainer/Dockerfile')).toEqual(ci);
});
