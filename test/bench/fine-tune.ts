/**
 * Does fine-tuning the last block help? For a folder of images per label: trained by the product with and without it, judged in its
 * cross-validation and, unless --test is 0, on other images. `auto` is what `--fine-tune auto` would have chosen.
 *
 *   node dist/test/bench/fine-tune.js FOLDER… [--base NAME|FILE] [--labels 40] [--test 60] [--draws 1] [--good good] [--views none]
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDataset } from '../../calibration/dataset/dataset.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { type Tuned, tune } from '../../calibration/tune.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { trainingSchema } from '../../config/training-schema.ts';
import { argmax } from '../../models/argmax.ts';
import { decodeHead, probabilitiesOf } from '../../models/head.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { openSession } from '../../models/run/session.ts';
import { baseForIn } from '../../models/versions/pair.ts';
import { openStore } from '../../models/versions/store.ts';

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    base: { type: 'string', default: 'resnet50-embedded' },
    labels: { type: 'string', default: '40' },
    test: { type: 'string', default: '60' },
    draws: { type: 'string', default: '1' },
    good: { type: 'string', default: 'good,complete' },
    views: { type: 'string', default: 'auto' },
  },
});
const good = given.good.split(',');

interface Picture {
  readonly file: string;
  readonly label: string;
}

async function drawn(folder: string, draw: number) {
  const random = seededRandom(draw);
  const [train, test]: [Picture[], Picture[]] = [[], []];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const label of entries.flatMap((one) => (one.isDirectory() ? [one.name] : [])).sort()) {
    const names = random.shuffled((await readdir(join(folder, label))).sort());
    const count = Math.min(Number(given.labels), Math.floor(names.length / 2));
    const pictures = names.map((name) => ({ file: join(folder, label, name), label }));
    train.push(...pictures.slice(0, count));
    test.push(...pictures.slice(count, count + Number(given.test)));
  }
  return { train, test };
}

async function measure(folder: string, draw: number): Promise<string> {
  const { train, test } = await drawn(folder, draw);
  const directory = await mkdtemp(join(tmpdir(), 'fine-tune-'));
  try {
    const config = {
      model: modelSchema.parse({ base: given.base, provider: 'cpu' }),
      labels: { good },
      thresholds: { pass: 0.7, fail: 0.6 },
      storage: storageSchema.parse({ directory }),
      training: trainingSchema.parse({ views: given.views }),
    };
    {
      await using dataset = await openDataset(directory, { onNotice: () => undefined });
      for (const { file, label } of train) {
        const image = await decodePicture(await readFile(file));
        await dataset.add({ image, label, by: 'bench', partId: file });
      }
    }
    const deps = { onProgress: () => undefined, onNotice: (text: string) => console.error(text) };
    const trained = (fineTune: 'off' | 'on') => tune(config, { by: 'bench', training: { fineTune } }, deps);
    const accuracy = async ({ version }: Tuned) => {
      const { manifest, model } = await (await openStore(directory)).read(version);
      const own = await baseForIn(config.model, directory)(manifest);
      const base = own?.name ?? config.model.base;
      await using session = await openSession({ ...config.model, base, storageDirectory: directory });
      const head = decodeHead(model, manifest.labels)!;
      let right = 0;
      for (const { file, label } of test) {
        const { features, maps } = await session.maps(await decodePicture(await readFile(file)));
        if (head.labels[argmax(probabilitiesOf(head, features, maps))] === label) right++;
      }
      return right / test.length;
    };
    const onTest = test.length > 0 ? await trained('off') : undefined;
    const frozen = onTest && (await accuracy(onTest));
    const on = await trained('on');
    const tuned = onTest && (await accuracy(on));
    const found = on.report.fineTuning!;
    const isChosen = found.points > 0 && found.p < 0.05;
    const share = (value: number | undefined) =>
      value === undefined ? '–' : `${(100 * value).toFixed(1)} %`;
    return [
      basename(folder),
      `${train.length} / ${test.length}`,
      `${share(found.frozen)} → ${share(found.tuned)} (${found.won} won, ${found.lost} lost, p ${found.p.toFixed(3)})`,
      `${share(frozen)} → ${share(tuned)}`,
      isChosen ? 'fine-tuned' : 'frozen',
      `${found.epochs}`,
      `${found.seconds.toFixed(0)} s`,
      found.checks.flatMap(({ ok, name }) => (ok ? [] : [name])).join(', ') || 'ok',
    ].join(' | ');
  } finally {
    await rm(directory, { recursive: true });
  }
}

console.log('set | labels / test | cross-validation | on other images | auto | passes | time | checks');
for (const folder of positionals)
  for (let draw = 1; draw <= Number(given.draws); draw++) console.log(await measure(folder, draw));
