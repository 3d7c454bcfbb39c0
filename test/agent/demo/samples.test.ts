import { expect, test } from 'vitest';
import { labels } from '../../../agent/demo/part.ts';
import { drawSamples, type Sample, type SampleOptions } from '../../../agent/demo/samples.ts';

async function draw(options: SampleOptions): Promise<Sample[]> {
  const samples: Sample[] = [];
  for await (const sample of drawSamples(options)) samples.push(sample);
  return samples;
}

test('samples have all labels and the size of the region, and are the same for the same seed', async () => {
  const samples = await draw({ perLabel: 2, seed: 4 });
  const turns = ['good', ...labels];
  expect(samples.map(({ label }) => label)).toEqual([...turns, ...turns]);
  for (const { image } of samples) {
    expect([image.width, image.height, image.data.length]).toEqual([300, 300, 300 * 300 * 3]);
  }
  expect(await draw({ perLabel: 1, seed: 4 })).toEqual(samples.slice(0, turns.length));
  expect(await draw({ perLabel: 1, seed: 5 })).not.toEqual(samples.slice(0, turns.length));
});
