import { expect, it } from 'vitest';
import { createDriftWatch } from '../../../agent/drift/watch.ts';
import { openLog } from '../../../agent/lifecycle/log.ts';
import { fitHead } from '../../../calibration/train/fit.ts';
import { seededRandom } from '../../../calibration/train/random.ts';
import { writeHead } from '../../../calibration/train/write-head.ts';
import { hellinger } from '../../../models/head.ts';
import { readBaseManifest } from '../../../models/manifest.ts';
import { openStore } from '../../../models/versions/store.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { writeTiny } from '../../models/tiny-model.ts';
import { until } from '../../rigs/until.ts';

const size = 64;

/** Features of a part; a head that was trained `at` a level knows parts of that level. */
function part(seed: number, bad: boolean, at: number): Float32Array {
  const { next } = seededRandom(seed);
  return Float32Array.from({ length: size }, (_, d) => {
    const level = d % 2 === 0 ? at : 1;
    return level + (bad && d < size / 2 ? 1 : 0) + 0.3 * next();
  });
}

async function addHead(storage: string, base: string, at: number, examplesOf = 20): Promise<string> {
  const examples = Array.from({ length: 40 }, (_, i) => ({
    features: part(i, i % 2 === 1, at),
    label: i % 2 === 1 ? 'scratch' : 'good',
  }));
  const head = await fitHead(
    examples.map(({ features, label }, group) => ({ views: new Map([[0, features]]), label, group })),
    { seed: 1 },
  );
  const folder = `${storage}/draft-${at}-${examplesOf}`;
  const exemplars = examples.slice(0, 2 * examplesOf).map(({ features }) => hellinger(features));
  await writeHead(
    folder,
    { ...head, exemplars },
    {
      base: await readBaseManifest(base.replace(/\.onnx$/, '.json')),
      createdAt: new Date('2026-11-23T12:00:00Z'),
    },
  );
  return (await openStore(storage)).add(folder);
}

it('compares each camera with the head that judges it, and restarts with another head', async () => {
  await using folder = await tempFolder();
  const base = await writeTiny(folder.path);
  const [near, far, blind] = [
    await addHead(folder.path, base, 1),
    await addHead(folder.path, base, 2.5),
    await addHead(folder.path, base, 1, 2),
  ];
  const drifts = new Map<string, () => number | undefined>();
  const log = openLog({ level: 'error', format: 'json' }, false, {});
  const watch = createDriftWatch(folder.path, {
    log,
    metrics: { watchDrift: (camera, read) => drifts.set(camera, read) },
  });
  let seed = 100;
  const show = (camera: string, version: string, at = 1) => {
    const model = { version, base: 'b', precision: 'fp32', provider: 'cpu' };
    for (let i = 0; i < 50; i++) watch.add({ camera, model }, { features: part(seed++, i % 9 === 0, at) });
  };
  const drift = (camera: string) => drifts.get(camera)?.();
  const shown = (camera: string, version: string, at?: number) =>
    until(() => {
      show(camera, version, at);
      return drift(camera) !== undefined;
    });

  await shown('top', near);
  await shown('side', far);
  expect(drift('top')).toBeLessThan(0.6);
  expect(drift('side')).toBeGreaterThan(1);

  // Recipes alternate: each head is compared with its own training.
  show('top', far);
  expect(drift('top')).toBeGreaterThan(1);
  show('top', near);
  expect(drift('top')).toBeLessThan(0.6);

  // A part that was not judged has no effect.
  watch.add(
    { camera: 'top', model: { version: far, base: 'b', precision: 'fp32', provider: 'cpu' } },
    { features: undefined },
  );
  expect(drift('top')).toBeLessThan(0.6);

  show('top', 'none');
  expect(drift('top')).toBeLessThan(0.6);
  show('top', blind);
  expect(drift('top')).toBeUndefined();
  show('top', '2026-01-01.1');
  expect(drift('top')).toBeUndefined();
});
