import { readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDataset, readDataset } from '../../calibration/dataset/dataset.ts';
import { describeFrames } from '../../calibration/train/features.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import type { TrainingView } from '../../calibration/views.ts';
import type { Image } from '../../models/image.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { openSession } from '../../models/run/session.ts';
import { addHead } from '../rigs/heads.ts';
import { until } from '../rigs/until.ts';
import { firstVerdict, type RunningAgent } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { type Benchmark, interleaved, median, type Row } from './harness.ts';
import { observe } from './observe.ts';
import type { Workshop } from './workshop.ts';

const rounds = 3;
const promotions = 10;
/** Number of images per label: with eight views each, more than training can process during a measurement. */
const perLabel = 80;
const size = 280;
const clip = { width: 640, height: 480, fps: 30 };

/** How much calibration slows inspection, and the time until a new head judges. */
export const calibration: Benchmark = {
  name: 'calibration',
  missing: clipCameraMissing,
  async run(workshop) {
    await fillDataset(workshop.storage);
    const threads = availableParallelism();
    return [
      ...(await extraction(workshop)),
      ...(await duringTraining(workshop, threads)),
      ...(threads > 1 ? await duringTraining(workshop, 1) : []),
      ...(await promoting(workshop)),
    ];
  },
};

async function fillDataset(storage: string): Promise<void> {
  await using dataset = await openDataset(storage, { onNotice: console.log });
  for (const [k, label] of ['good', 'scratch', 'dent'].entries()) {
    for (let i = 0; i < perLabel; i++) {
      await dataset.add({ image: noise(k * perLabel + i + 1, 60 + 40 * k), label, by: 'bench' });
    }
  }
}

function noise(seed: number, shade: number): Image {
  const { integer } = seededRandom(seed);
  const data = Uint8Array.from({ length: size * size * 3 }, () => shade + integer(60));
  return { width: size, height: size, data };
}

/** Feature extraction for the images of the dataset, compared with inference alone on one image. */
async function extraction({ storage }: Workshop): Promise<Row[]> {
  const { frames } = await readDataset(storage, console.log);
  const some = frames.slice(0, 60);
  const image = await decodePicture(await readFile(some[0]!.file));
  await using session = await openSession({
    base: 'resnet50-embedded',
    provider: 'cpu',
    precision: 'auto',
    threads: 0,
  });
  const timed = async (work: () => Promise<unknown>) => {
    const began = performance.now();
    await work();
    return (1_000 * some.length) / (performance.now() - began);
  };
  const results = await interleaved(rounds, {
    bare: () =>
      timed(async () => {
        for (const _ of some) await session.features(image);
      }),
    async described() {
      await forgetFeatures(storage);
      return await timed(() =>
        describeFrames(some, {
          storageDirectory: storage,
          base: session.facts.manifest,
          featuresOf: (one) => session.features(one),
          views: [0],
          onProgress: () => undefined,
          onNotice: console.log,
        }),
      );
    },
  });
  return [
    {
      what: 'feature extraction / bare inference',
      figure: median(results.map(({ bare, described }) => described / bare)),
      unit: '×',
      target: { atLeast: 0.9 },
    },
    {
      what: 'feature extraction',
      figure: median(results.map(({ described }) => described)),
      unit: 'pictures/s',
    },
  ];
}

const forgetFeatures = (storage: string) => rm(join(storage, 'features'), { recursive: true, force: true });

/** Parts per second at full speed with and without a training. */
async function duringTraining(workshop: Workshop, threads: number): Promise<Row[]> {
  const { seconds, storage } = workshop;
  await using camera = await workshop.camera({ ...clip, fps: 60, seconds: rounds * (2 * seconds + 20) + 60 });
  const trigger = { kind: 'continuous', everyMs: 1 };
  await using agent = await workshop.agent({
    cameras: { line: { url: camera.url, trigger, maxFps: 60 } },
    threads,
  });
  await firstVerdict(agent);
  const results = await interleaved(rounds, {
    async alone() {
      await sleep(2_000);
      return await observe(agent, seconds);
    },
    async training() {
      await forgetFeatures(storage);
      await ask(agent, 'training/start', {});
      await until(async () => (await training(agent)).done > 0, {
        timeoutMs: 120_000,
        what: 'training to process images',
      });
      const observed = await observe(agent, seconds);
      const { state, done } = await training(agent);
      if (state !== 'running') throw new Error(`training is ${state}: it ended before the measurement`);
      await ask(agent, 'training/cancel', {});
      await until(async () => (await training(agent)).state !== 'running', { what: 'training to end' });
      return { ...observed, pictures: done };
    },
  });
  const on = `${threads} thread${threads > 1 ? 's' : ''}`;
  return [
    {
      what: `parts/s while training / without, ${on}`,
      figure: median(results.map(({ alone, training }) => training.perSecond / alone.perSecond)),
      unit: '×',
      target: { atLeast: 0.85 },
    },
    {
      what: `parts/s without training, ${on}`,
      figure: median(results.map(({ alone }) => alone.perSecond)),
      unit: 'parts/s',
    },
    {
      what: `images that training processed meanwhile, ${on}`,
      figure: median(results.map(({ training }) => training.pictures)),
      unit: 'pictures',
    },
  ];
}

/** Time from the request to promote another head to its first result at a subscriber. */
async function promoting(workshop: Workshop): Promise<Row[]> {
  const { storage } = workshop;
  const versions = [await addHead(storage), await addHead(storage)];
  await using camera = await workshop.camera({ ...clip, seconds: 120 });
  const trigger = { kind: 'continuous', everyMs: 50 };
  await using agent = await workshop.agent({ cameras: { line: { url: camera.url, trigger } }, threads: 1 });
  await firstVerdict(agent);
  const taken: number[] = [];
  for (let i = 0; i < promotions; i++) {
    const version = versions[i % 2]!;
    const from = agent.arrived.length;
    const asked = Date.now();
    await ask(agent, `models/${version}/promote`, {});
    const first = await until(
      () => agent.arrived.slice(from).find(({ result }) => result.model.version === version),
      { everyMs: 5, what: `a part judged by ${version}` },
    );
    taken.push(first.at - asked);
    await sleep(300);
  }
  const sequences = agent.arrived.map(({ result }) => result.sequence);
  const holes = sequences.filter((sequence, i) => i > 0 && sequence !== sequences[i - 1]! + 1).length;
  return [
    {
      what: `promote to the first part judged by it, worst of ${promotions}`,
      figure: Math.max(...taken),
      unit: 'ms',
      target: { atMost: 200 },
    },
    { what: `the same, median of ${promotions}`, figure: median(taken), unit: 'ms' },
    { what: 'parts lost or judged twice meanwhile', figure: holes, unit: 'parts', target: { atMost: 0 } },
  ];
}

async function ask(agent: RunningAgent, path: string, body: object): Promise<void> {
  const response = await fetch(new URL(`/api/v1/${path}`, agent.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
}

const training = async (agent: RunningAgent) =>
  (await (await fetch(new URL('/api/v1/training', agent.url))).json()) as TrainingView;
