import { defineConfig } from 'vitest/config';

const line = 'dist/test/line/**/*.test.js';

// The tests run as compiled by tsc, against the compiled product: what is tested is what ships,
// and worker threads and child processes start as they do in the plant.
const shared = {
  server: { deps: { external: [/\/dist\/(?!test\/.*\.test\.js)/] } },
  pool: 'forks',
  testTimeout: 30_000,
  hookTimeout: 60_000,
  // A browser or a camera may be starved for a moment on a shared CI machine; a real fault fails twice.
  retry: process.env.CI ? 1 : 0,
};

export default defineConfig({
  test: {
    reporters: ['default', './dist/test/rigs/retried-tests.js'],
    coverage: {
      include: ['dist/{config,models,calibration,agent}/**/*.js'],
      reporter: ['text-summary', 'html'],
    },
    projects: [
      {
        test: {
          ...shared,
          name: 'parts',
          include: ['dist/test/**/*.test.js'],
          exclude: [line],
          maxWorkers: 2,
        },
      },
      {
        test: {
          ...shared,
          // Each opens a whole plant of several processes: one after the other, and after everything else.
          name: 'line',
          include: [line],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          globalSetup: ['dist/test/rigs/plant-head.js'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
