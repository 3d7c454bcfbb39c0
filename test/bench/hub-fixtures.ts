/** The fixtures of hubs as a table: how far each stage is from what the library computes, and how alike the features are in int8. */
import { join } from 'node:path';
import { openBase } from '../../models/base.ts';
import { recogniseNetwork } from '../../models/hubs/architectures/recognise.ts';
import { importBase } from '../../models/hubs/import.ts';
import { openWeights } from '../../models/hubs/read/recognise.ts';
import type { Image } from '../../models/image.ts';
import { quantizeBase } from '../../models/quantize/quantize.ts';
import { compare, compareOnnx, onnxFixtures, unpackedOnnx } from '../models/hubs/compare.ts';
import { fixtures, pieces, placeOf, unpacked } from '../models/hubs/fixtures.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { readOptions } from './options.ts';

const usage = `usage: node dist/test/bench/hub-fixtures.js [options]

  --only TEXT     files whose path contains it
  --int8          also make an int8 variant of each
  --onnx          the ONNX files instead`;

const { values } = readOptions(usage, {
  options: { only: { type: 'string', default: '' }, int8: { type: 'boolean' }, onnx: { type: 'boolean' } },
});

async function int8Of(path: string, folder: string, images: readonly Image[]): Promise<string> {
  const imported = await importBase({ path, storageDirectory: folder, features: 'last' });
  const base = await openBase({ base: imported.file, precision: 'auto' });
  const { report } = await quantizeBase(
    base,
    images.map((image) => async () => image),
    { threads: 1, method: 'best', source: 'picture', revision: null, onProgress: () => undefined },
  );
  const { correlation, float, operators } = report.quantization;
  const found = `${correlation.toFixed(4)}${float.length > 0 ? `, ${float.length} of ${operators + float.length} in float` : ''}`;
  return report.passed ? found : `refused: ${report.reason}`;
}

const images = await pieces(24);
const all = values.onnx
  ? onnxFixtures.map(({ name, expected }) => ({ path: `onnx/${name}`, name, expected }))
  : fixtures;
const shown = (stages: ReadonlyMap<string, number>) =>
  [...stages].map(([name, difference]) => `${name} ${difference.toExponential(0)}`).join(', ');
for (const fixture of all.filter(({ path }) => path.includes(values.only) && placeOf(path))) {
  await using folder = await tempFolder();
  const path =
    'name' in fixture
      ? await unpackedOnnx(fixture.name, folder.path)
      : await unpacked(fixture.path, folder.path);
  const cells = [fixture.path];
  if ('network' in fixture) {
    await using weights = await openWeights(path);
    const { stages } = await compare(fixture, recogniseNetwork(weights));
    cells.push(weights.format, fixture.network, shown(stages));
  } else cells.push('ONNX', 'ResNet50', shown((await compareOnnx(path, fixture)).stages));
  if (values.int8)
    cells.push(await int8Of(path, join(folder.path, 'storage'), images).catch((error) => `${error}`));
  console.log(`| ${cells.join(' | ')} |`);
}
