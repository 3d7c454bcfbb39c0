import { join } from 'node:path';
import { openBase } from '../../models/base.ts';
import { openFromCache } from '../../models/run/onnx-session.ts';
import { checkImage } from '../../models/run/warm-up-check.ts';
import { cpuMs } from './cpu-ms.ts';
import { median } from './harness.ts';

const rounds = 30;

/**
 * CPU time of an inference with the maps of stages 2 and 3 as outputs, divided by that without; alternating, on one thread.
 */
export async function mapsCost(base: string, precision: 'fp32' | 'int8', storage: string): Promise<number> {
  const open = async (besides?: 'maps') => {
    const opened = await openBase({ base, precision, storageDirectory: storage }, besides);
    const setup = { provider: 'cpu', base: opened, threads: 1, batch: 1 } as const;
    return openFromCache({ ...setup, native: (call) => call() }, join(storage, 'cache'));
  };
  const [plain, mapped] = [await open(), await open('maps')];
  const image = checkImage(224, 224);
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const without = await cpuMs(() => plain.run([image]));
    ratios.push((await cpuMs(() => mapped.run([image]))) / without);
  }
  await Promise.all([plain.release(), mapped.release()]);
  return median(ratios);
}
