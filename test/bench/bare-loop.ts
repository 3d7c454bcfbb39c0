/**
 * The reference for the agent's speed: a process that only runs onnxruntime on one fixed tensor, repeatedly.
 * bare.ts starts it with its task as JSON; it reports its measurement, then waits for its end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import ort from 'onnxruntime-node';
import type { BareTask, FromBare } from './bare.ts';

const task = JSON.parse(process.argv[2]!) as BareTask;
const { model, input, dims, dimensions, threads, options, seconds, everyMs } = task;

/** Session options of models/session-worker.ts, or only the number of threads. */
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: threads,
  ...(options === 'agent' && {
    executionProviders: ['cpu'],
    interOpNumThreads: 1,
    freeDimensionOverrides: dimensions,
    logSeverityLevel: 4 as const,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  }),
});
const pixels = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => Math.sin(i));
const feeds = { [input]: new ort.Tensor('float32', pixels, dims) };

for (let warm = performance.now(); performance.now() - warm < 1_000; ) await session.run(feeds);
const milliseconds: number[] = [];
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
while (performance.now() - startedAt < seconds * 1000) {
  const before = performance.now();
  await session.run(feeds);
  milliseconds.push(performance.now() - before);
  if (everyMs) await sleep(Math.max(0, everyMs - (performance.now() - before)));
}
const elapsedMs = performance.now() - startedAt;
const { user, system } = process.cpuUsage(cpuBefore);
const runs = milliseconds.length;
const figures: FromBare = {
  milliseconds,
  perSecond: (runs * 1000) / elapsedMs,
  cpuMs: (user + system) / 1000 / runs,
};
process.send!(figures);
// The parent now measures the memory, then ends this process.
process.on('disconnect', () => process.exit(0));
