/**
 * Adaptation to a change of light or focus, on real photographs:
 * `npm run bench -- adaptation [--sets parts/x_sdd,anomaly/ballscrew] [--per-label 10] [--draws 1] [--test 20] [--base embedded|imagenet]`
 * A head is trained on unchanged images and promoted. Then the images change in a simulated way; 64 of them, without labels,
 * adapt the head. Both heads are tested on changed and on unchanged images that were not used before. Finally the 64
 * images show bad parts only: the adaptation must not make any of them pass.
 */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { openDataset } from '../../calibration/dataset/dataset.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { tune } from '../../calibration/tune.ts';
import { QcError } from '../../config/errors.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { trainingSchema } from '../../config/training-schema.ts';
import { loaded } from '../../models/active-head.ts';
import { argmax } from '../../models/argmax.ts';
import type { Image } from '../../models/image.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { openSession } from '../../models/run/session.ts';
import { promoteVersion } from '../../models/versions/promote.ts';
import { openStore } from '../../models/versions/store.ts';
import { readOptions } from './options.ts';
import { baseOf } from './real/base-option.ts';
import { photographs, requirePaths } from './real/photographs.ts';

const usage = `Usage: npm run bench -- adaptation [OPTIONS]

Adapts heads to simulated changes of light and focus, from 64 images without labels.

Options:
  --sets A,B          sets below ../shared/data (parts/x_sdd,anomaly/ballscrew)
  --per-label N       images per label to train on (10)
  --draws N           random draws (1)
  --test N            most images per label to judge (20)
  --changes A,B       dark, bright, gamma, white, contrast, blur, more-blur (all)
  --base NAME         embedded, imagenet or the path of a base (embedded)`;
const { values } = readOptions(usage, {
  options: {
    sets: { type: 'string', default: 'parts/x_sdd,anomaly/ballscrew' },
    'per-label': { type: 'string', default: '10' },
    draws: { type: 'string', default: '1' },
    test: { type: 'string', default: '20' },
    changes: { type: 'string', default: 'dark,bright,gamma,white,contrast,blur,more-blur' },
    base: { type: 'string', default: 'embedded' },
  },
});
const goodLabels = ['good', 'complete'];
const recentCount = 64;
const sets = values.sets.split(',');
requirePaths(
  'adaptation',
  sets.map((set) => join(photographs, set)),
);

const mapped = (image: Image, f: (value: number, channel: number) => number): Image => ({
  ...image,
  data: image.data.map((value, at) => Math.max(0, Math.min(255, Math.round(f(value, at % 3))))),
});
const blurred = async (image: Image, share: number): Promise<Image> => {
  const { width, height, data } = image;
  const sigma = share * Math.min(width, height);
  const out = await sharp(data, { raw: { width, height, channels: 3 } })
    .blur(sigma)
    .raw()
    .toBuffer();
  return { width, height, data: new Uint8Array(out) };
};
const white = [1.2, 1, 0.7];
const changes: Record<string, (image: Image) => Image | Promise<Image>> = {
  dark: (image) => mapped(image, (value) => 0.55 * value),
  bright: (image) => mapped(image, (value) => 1.35 * value + 10),
  gamma: (image) => mapped(image, (value) => 255 * (value / 255) ** 0.55),
  white: (image) => mapped(image, (value, channel) => value * white[channel]!),
  contrast: (image) => mapped(image, (value) => 60 + 0.5 * value),
  blur: (image) => blurred(image, 1 / 130),
  'more-blur': (image) => blurred(image, 1 / 65),
};

interface Picture {
  readonly label: string;
  readonly file: string;
}

console.log(`${availableParallelism()} cores ${cpus()[0]?.model ?? ''}, Node ${process.version}`);
for (const set of sets) {
  for (let seed = 1; seed <= Number(values.draws); seed++) await measure(set, seed);
}

async function measure(set: string, seed: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'qc-adaptation-'));
  try {
    const { training, recent, testing } = drawn(picturesOf(set), seed);
    const base = await baseOf(values.base, folder, photographs);
    const config = {
      model: modelSchema.parse({ base, provider: 'cpu', precision: 'fp32' }),
      labels: { good: goodLabels },
      thresholds: { pass: 0.7, fail: 0.6 },
      storage: storageSchema.parse({ directory: folder }),
      training: trainingSchema.parse({ views: 'none' }),
    };
    {
      await using dataset = await openDataset(folder, { onNotice: () => undefined });
      for (const { label, file } of training) {
        await dataset.add({ image: await imageOf(file), label, by: 'bench', partId: basename(file) });
      }
    }
    const deps = { onProgress: () => undefined, onNotice: () => undefined };
    const first = await tune(config, { by: 'bench', seed }, deps);
    const store = await openStore(folder);
    await promoteVersion(config, first.version, { by: 'bench' });
    await using session = await openSession({ ...config.model, storageDirectory: folder });
    for (const { version } of [first]) await session.keepHead(loaded(await store.read(version)));

    const images = await Promise.all(testing.map(({ file }) => imageOf(file)));
    const judge = async (version: string, seen: readonly Image[]) => {
      const counts = new Map<string, { right: number; of: number }>();
      let passed = 0;
      for (const [i, image] of seen.entries()) {
        const { probabilities } = await session.judge(image, { head: version });
        const labels = Object.keys(probabilities);
        const said = labels[argmax(Object.values(probabilities))]!;
        const { label } = testing[i]!;
        const count = counts.get(label) ?? { right: 0, of: 0 };
        counts.set(label, { right: count.right + (said === label ? 1 : 0), of: count.of + 1 });
        if (goodLabels.includes(said) && !goodLabels.includes(label)) passed++;
      }
      const recalls = [...counts.values()].map(({ right, of }) => right / of);
      return { accuracy: recalls.reduce((a, b) => a + b) / recalls.length, passed };
    };
    const told = ({ accuracy, passed }: { accuracy: number; passed: number }) =>
      `${accuracy.toFixed(3)} (${passed} bad ones called good)`;
    const before = await judge(first.version, images);
    console.log(`${set}, draw ${seed}, ${training.length} labels, ${testing.length} tested: ${told(before)}`);

    for (const name of values.changes.split(',')) {
      const change = changes[name]!;
      const changed: Image[] = [];
      for (const image of images) changed.push(await change(image));
      const without = await judge(first.version, changed);
      const place = await written(folder, name, recent, change);
      const made = await adapted(place);
      if (typeof made === 'string') {
        console.log(`  ${name.padEnd(10)} ${told(without)} → refused: ${made}`);
        continue;
      }
      await session.keepHead(loaded(await store.read(made.version)));
      const [now, old] = [await judge(made.version, changed), await judge(made.version, images)];
      const lost = before.accuracy - without.accuracy;
      const back =
        lost > 0 ? `, ${Math.round((100 * (now.accuracy - without.accuracy)) / lost)} % of the loss` : '';
      console.log(
        `  ${name.padEnd(10)} ${told(without)} → ${told(now)}${back}; unchanged images ${told(old)}; gate ${made.report.gate.allowed ? 'allows' : `refuses: ${made.report.gate.reason}`}; ${made.report.adaptation?.sentences.join('; ')}`,
      );
    }
    const bad = picturesOf(set).filter(
      ({ label, file }) => !goodLabels.includes(label) && !training.some((one) => one.file === file),
    );
    const oneKind = bad.filter(({ label }) => label === bad[0]!.label).slice(0, recentCount);
    for (const name of ['same light', 'contrast', 'blur']) {
      const place = await written(folder, `bad-${name}`, oneKind, changes[name] ?? ((image) => image));
      const made = await adapted(place);
      const outcome =
        typeof made === 'string'
          ? `refused: ${made}`
          : made.report.gate.allowed
            ? 'ALLOWED'
            : `gate refuses: ${made.report.gate.reason}`;
      console.log(`  ${oneKind.length} bad parts, ${name}: ${outcome}`);
    }

    async function adapted(place: string) {
      try {
        return await tune(config, { by: 'bench', seed, adaptTo: { images: place, areUsual: true } }, deps);
      } catch (error) {
        if (error instanceof QcError && error.code === 'adaptation-refused') return error.message;
        throw error;
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A folder with the images after a change. */
async function written(
  folder: string,
  name: string,
  pictures: readonly Picture[],
  change: (image: Image) => Image | Promise<Image>,
): Promise<string> {
  const place = join(folder, 'recent', name.replace(' ', '-'));
  await mkdir(place, { recursive: true });
  for (const [i, { file }] of pictures.entries()) {
    const { data, width, height } = await change(await imageOf(file));
    await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(place, `${1000 + i}.png`));
  }
  return place;
}

async function imageOf(file: string): Promise<Image> {
  return decodePicture(await readFile(file));
}

/** Of folders `<label>/`, or of an anomaly set `train/<label>/` and `test/<label>/`. */
function picturesOf(set: string): Picture[] {
  const place = join(photographs, set);
  const folders = existsSync(join(place, 'train')) ? [join(place, 'train'), join(place, 'test')] : [place];
  return folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
      .flatMap((label) =>
        readdirSync(join(folder, label))
          .sort()
          .map((file) => ({ label, file: join(folder, label, file) })),
      ),
  );
}

function drawn(pictures: readonly Picture[], seed: number) {
  const random = seededRandom(seed);
  const training: Picture[] = [];
  const others: Picture[] = [];
  for (const label of [...new Set(pictures.map((one) => one.label))].sort()) {
    const mixed = random.shuffled(pictures.filter((one) => one.label === label));
    training.push(...mixed.slice(0, Number(values['per-label'])));
    others.push(...mixed.slice(Number(values['per-label'])));
  }
  const mixed = random.shuffled(others);
  const recent = mixed.slice(0, recentCount);
  const rest = mixed.slice(recentCount);
  const testing = [...new Set(rest.map((one) => one.label))].flatMap((label) =>
    rest.filter((one) => one.label === label).slice(0, Number(values.test)),
  );
  return { training, recent, testing };
}
