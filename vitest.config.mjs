import { defineConfig } from 'vitest/config';

// The tests run as compiled by tsc, against the compiled product: what is tested is what ships,
// and worker threads and child processes start as they do in the plant.
export default defineConfig({
  test: {
    include: ['dist/test/**/*.test.js'],
    server: { deps: { external: [/\/dist\/(?!test\/.*\.test\.js)/] } },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
