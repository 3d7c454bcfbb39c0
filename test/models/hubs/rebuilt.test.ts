/** Networks rebuilt from the files of hubs compute the same values as the original libraries, stage by stage. */
import { expect, test } from 'vitest';
import { recogniseNetwork } from '../../../models/hubs/architectures/recognise.ts';
import { openWeights } from '../../../models/hubs/read/recognise.ts';
import { tempFolder } from '../temp-folder.ts';
import { compare } from './compare.ts';
import { fixtures, placeOf, shared, unpacked } from './fixtures.ts';

const absent = fixtures.filter(({ path }) => placeOf(path) === undefined);
if (absent.length > 0)
  console.log(`skipped: ${absent.length} of ${fixtures.length} files, which would lie in ${shared}`);

for (const fixture of fixtures.filter(({ path }) => placeOf(path) !== undefined)) {
  test(`${fixture.path}: ${fixture.network}`, async () => {
    await using folder = await tempFolder();
    await using weights = await openWeights(await unpacked(fixture.path, folder.path));
    const network = recogniseNetwork(weights);
    expect(network).toMatchObject({
      name: fixture.network,
      source: fixture.source,
      prefix: fixture.prefix ?? '',
    });
    const { input, stages, tolerance } = await compare(fixture, network);
    expect(input).toBeLessThan(1e-4);
    for (const [stage, difference] of stages) expect(difference, stage).toBeLessThan(tolerance);
  });
}
