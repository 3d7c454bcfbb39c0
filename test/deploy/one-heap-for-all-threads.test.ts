import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

it.each([
  ['the service', 'deploy/systemd/qc-agent.service', /^Environment=.*\bMALLOC_ARENA_MAX=2\b/m],
  [
    'the image',
    'deploy/docker/Dockerfile',
    /^FROM .* AS cpu\n(?:(?!FROM).*\n)*ENV .*\bMALLOC_ARENA_MAX=2\b/m,
  ],
  [
    'the image for CUDA',
    'deploy/docker/Dockerfile',
    /^FROM .* AS cuda\n(?:(?!FROM).*\n)*ENV .*\bMALLOC_ARENA_MAX=2\b/m,
  ],
  ["a Jetson's image", 'deploy/docker/Dockerfile.jetson', /^ENV .*\bMALLOC_ARENA_MAX=2\b/m],
  ['the command', 'agent/main.ts', /^#!\/usr\/bin\/env -S MALLOC_ARENA_MAX=2 node\n/],
])('%s prevents a separate heap of glibc for each thread', async (_, file, wanted) => {
  expect(await readFile(file, 'utf8')).toMatch(wanted);
});
