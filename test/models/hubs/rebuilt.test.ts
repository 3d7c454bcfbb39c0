/** Networks rebuilt from the files of hubs compute what their own libraries compute, stage by stage. */
import { expect, test } from 'vitest';
import { GraphDraft } from '../../../models/hubs/architectures/draft.ts';
import type { Built } from '../../../models/hubs/architectures/network.ts';
import { recogniseNetwork, requireAllUsed } from '../../../models/hubs/architectures/recognise.ts';
import { openWeights } from '../../../models/hubs/read/recognise.ts';
import type { OnnxModel } from '../../../models/onnx/proto.ts';
import { makePrepare } from '../../../models/prepare/prepare.ts';
import { tempFolder } from '../temp-folder.ts';
import {
  differenceOf,
  expectedOf,
  type Fixture,
  fixtures,
  pictureOf,
  placeOf,
  pooledDifference,
  run,
  shared,
  unpacked,
} from './fixtures.ts';

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
    const { cases, tolerance } = await expectedOf(fixture);
    for (const one of cases) {
      const image = await pictureOf(one.picture);
      const size = { width: image.width, height: image.height };
      const draft = new GraphDraft(network.layers, size);
      const built = await network.build(draft);
      requireAllUsed(network);
      const { model } = draft.finish(fixture.network, [built.output], false);
      const stages = one.stages.map((stage) => ({ stage, tensor: tensorOf(stage.name, built, model) }));
      const input = makePrepare({ name: 'input', layout: 'NCHW', ...size, ...network.preprocessing })(image);
      for (const { at, value } of one.input.samples) {
        const [channel, row, column] = at;
        const found = input[(channel * size.height + row) * size.width + column]!;
        expect(Math.abs(found - inputOf(fixture, value))).toBeLessThan(1e-4);
      }
      const maps = await run(
        model,
        'input',
        stages.map(({ tensor }) => tensor),
        input,
        size,
      );
      for (const { stage, tensor } of stages) {
        const { data, dims } = maps.get(tensor)!;
        const { channels, height, width } = stage.shape;
        expect(dims, stage.name).toEqual([1, channels, height, width]);
        expect(differenceOf(stage, data), stage.name).toBeLessThan(tolerance.suggested);
      }
      const features = maps.get('features')!.data;
      expect(pooledDifference(one.pooled, features), 'pooled').toBeLessThan(tolerance.suggested);
    }
  });
}

/** Keras' MobileNetV3 scales inside: it is given 0 to 255. */
const inputOf = ({ expected }: Fixture, value: number) =>
  expected.startsWith('keras-mobilenet_v3') ? value / 127.5 - 1 : value;

const stems: Readonly<Record<string, string>> = {
  pool1_pool: 'stem',
  maxpool: 'stem',
  embedder: 'stem',
  bn1: 'stem',
  conv_bn: 'stem.conv',
  bn_Conv1: 'stem.conv',
  conv_1_bn: 'last.conv',
};

/** The tensor of the graph that a library calls `name`. */
function tensorOf(name: string, { maps, output }: Built, { graph }: OnnxModel): string {
  const plain = name.replace(/^resnet\./, '');
  const made = new Set(graph!.node.flatMap((node) => node.output));
  // timm's first activation, before the pool.
  if (plain === 'act1') return 'stem.relu';
  const project = plain.replace(/_bn$/i, '');
  if (project.endsWith('_project') && made.has(project)) return project;
  const stage = /^(?:layer\d|blocks\.\d|encoder\.stages\.\d)$/.test(plain)
    ? [...maps.keys()].findLast((key) => key.startsWith(`${plain}.`))
    : undefined;
  const key = stems[plain] ?? stage ?? plain.replace(/_(?:out|add|relu|project_bn)$/i, '');
  return (maps.get(key) ?? output).tensor;
}
