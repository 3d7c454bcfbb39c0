/**
 * What the agent is held against: onnxruntime on one fixed tensor, again and again, and nothing else in the process.
 * Started by bare.ts with its task as JSON; says `ready`, then what it measured, then waits to be ended.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import ort from 'onnxruntime-node';
import type { BareTask, FromBare } from './bare.ts';

const task = JSON.parse(process.argv[2]!) as BareTask;
const { model, input, dims, dimensions, threads, options, seconds, everyMs } = task;

/** As models/session-worker.ts opens it, or as somebody who gives the threads only. */
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
const send = (message: FromBare) => process.send!(message);

for (let warm = performance.now(); performance.now() - warm < 1_000; ) await session.run(feeds);
send({ kind: 'ready' });
const milliseconds: number[] = [];
const startedAt = performance.now();
while (performance.now() - startedAt < seconds * 1000) {
  const before = performance.now();
  await session.run(feeds);
  milliseconds.push(performance.now() - before);
  if (everyMs) await sleep(Math.max(0, everyMs - (performance.now() - before)));
}
send({
  kind: 'done',
  milliseconds,
  perSecond: (milliseconds.length * 1000) / (performance.now() - startedAt),
});
process.on('message', () => process.exit(0));
