import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

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

const line = 'dist/test/line/**/*.test.js';

/** Tests that take long although they start no other program: they train, quantize, draw or damage a lot. */
const long = [
  'agent/demo/conveyor',
  'agent/demo/line',
  'agent/demo/part',
  'agent/demo/rtsp/server',
  'agent/demo/samples',
  'agent/drift/shown',
  'agent/evidence/jpeg',
  'agent/part/kept-backgrounds',
  'agent/part/presence',
  'agent/publish/outbox/damaged-pages',
  'agent/publish/outbox/durable',
  'calibration/compare/compare',
  'calibration/doctor',
  'calibration/finetune/fine-tune',
  'calibration/quantize',
  'calibration/station/comparing',
  'calibration/station/installing',
  'calibration/station/quantizing',
  'calibration/tune',
  'models/disk/checksum',
  'models/imagenet-base',
  'models/inspector',
  'models/remote/remote',
  'models/run/compiled',
  'models/versions/export',
  'models/versions/exported',
];

/** Imports that start another program: a browser, a broker, a camera server, the agent itself. */
const starts =
  /'node:child_process'|\/rigs\/(browser|clip-camera|drawn-line|gst-rtsp|limited-broker|mosquitto|odd-camera|plant|prometheus|real-calibration|shim|small-disk|notify-socket)/;

const tests = readdirSync('test', { recursive: true }).filter((file) => file.endsWith('.test.ts'));
const slow = tests
  .filter((file) => !file.startsWith('line/') && !file.startsWith('house/') && !file.startsWith('config/'))
  .filter(
    (file) =>
      long.includes(file.slice(0, -'.test.ts'.length)) || starts.test(readFileSync(`test/${file}`, 'utf8')),
  )
  .map((file) => `dist/test/${file.slice(0, -'.ts'.length)}.js`);

export default defineConfig({
  test: {
    reporters: ['default', './dist/test/rigs/retried-tests.js'],
    coverage: {
      include: ['dist/{config,models,calibration,agent}/**/*.js'],
      reporter: ['text-summary', 'html'],
    },
    projects: [
      {
        // What `npm run test:fast` runs.
        test: {
          ...shared,
          name: 'parts',
          include: ['dist/test/**/*.test.js'],
          exclude: [line, ...slow],
          maxWorkers: 3,
        },
      },
      {
        // Most of them wait for other programs most of the time.
        test: { ...shared, name: 'slow', include: slow, maxWorkers: 3 },
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
