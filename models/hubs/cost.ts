/** The time that a base takes, compared with the embedded one. */
import { median } from '../median.ts';
import { openSession, type Session } from '../run/session.ts';
import { checkImage } from '../run/warm-up-check.ts';

const rounds = 3;
const embedded = 'resnet50-embedded';

/** Median time for one image of its size relative to the embedded base, in turns, on one CPU thread each. @param base an .onnx with its manifest */
export async function costOf(base: string): Promise<number> {
  const open = (name: string) => openSession({ base: name, precision: 'fp32', provider: 'cpu', threads: 1 });
  await using own = await open(base);
  await using usual = await open(embedded);
  const times = { own: [] as number[], usual: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    times.own.push(await timed(own));
    times.usual.push(await timed(usual));
  }
  return Number((median(times.own) / median(times.usual)).toPrecision(2));
}

async function timed(session: Session): Promise<number> {
  const { width, height } = session.facts.manifest.input;
  const image = checkImage(width, height);
  const started = performance.now();
  await session.features(image);
  return performance.now() - started;
}
