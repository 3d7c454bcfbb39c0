/**
 * Process that loads one base, judges three generated images, and reports the growth of its memory. It inherits the low
 * priority of the comparison.
 */
import { openSession } from '../../models/run/session.ts';
import type { MemoryAnswer, MemoryRequest } from './memory.ts';

const runs = 3;

process.on('disconnect', () => process.exit(0));
process.once('message', (request: MemoryRequest) => {
  measure(request).then(
    (answer) => process.send?.(answer),
    () => process.send?.(null),
  );
});

async function measure({ model, ...request }: MemoryRequest): Promise<MemoryAnswer> {
  const before = process.memoryUsage().rss;
  await using session = await openSession({ ...model, ...request });
  const { width, height } = session.facts.manifest.input;
  const image = { width, height, data: new Uint8Array(width * height * 3).fill(128) };
  for (let run = 0; run < runs; run++) await session.features(image);
  return Math.round((process.memoryUsage().rss - before) / 1e6);
}
