/** Run in its own process by webgpu.test.ts: compares WebGPU with the CPU on the base in its argument; prints JSON. */

import { openSession } from '../../models/run/session.ts';
import { checkFailure, recordCheck } from '../../models/run/warm-up-check.ts';
import { formulaImage } from './formula-image.ts';

const [, , base, ending] = process.argv;
const on = { base: base!, precision: 'auto', threads: 1, batch: { size: 4, waitMs: 0 } } as const;
const pictures = Array.from({ length: 9 }, (_, n) => formulaImage(40 + n, 50 - n));

const cpu = await openSession({ ...on, provider: 'cpu' });
const gpu = await openSession({ ...on, provider: 'webgpu' });
const judged = await Promise.all(pictures.map((picture) => gpu.judge(picture)));
const failures: (string | undefined)[] = [];
for (const [n, { features }] of judged.entries()) {
  failures.push(checkFailure(recordCheck(await cpu.features(pictures[n]!)), features, 'fp32'));
}
const { provider, batch, why, precision } = gpu.facts;
const said = { provider, precision, batch, why, failures, batches: judged.map(({ batch }) => batch) };
process.stdout.write(`${JSON.stringify(said)}\n`);
await cpu[Symbol.asyncDispose]();

if (ending === 'closes') {
  await gpu[Symbol.asyncDispose]();
} else {
  const judge = (): Promise<void> => gpu.judge(pictures[0]!).then(judge);
  void judge();
  setTimeout(() => process.exit(7), 50);
}
