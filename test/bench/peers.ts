import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { pssMb } from '../../agent/bench/proc.ts';
import { shippedHead } from '../../agent/demo/head.ts';
import { drawSamples } from '../../agent/demo/samples.ts';
import { decodeHead, probabilitiesOf } from '../../models/head.ts';
import { readHeadManifest } from '../../models/manifest.ts';
import { decodeModel, encodeModel } from '../../models/onnx/proto.ts';
import { foldModel } from '../../models/onnx/quantize/fold.ts';
import { openSession } from '../../models/run/session.ts';
import { firstVerdict, type Precision } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { decodesOnly } from './decode-only.ts';
import { type Benchmark, interleaved, median, type Row } from './harness.ts';
import { observe } from './observe.ts';
import { opencvMissing, opencvScript, python, watchCommand, watchPublisher } from './peers/peer.ts';
import type { Workshop } from './workshop.ts';

const rounds = 2;
const size = { width: 640, height: 480 };

/** The agent compared with other programs on the same camera, with the same weights, all at full speed. */
export const peers: Benchmark = {
  name: 'peers',
  missing: () => clipCameraMissing() ?? opencvMissing(),
  async run(workshop) {
    const folder = await mkdtemp(join(workshop.storage, '..', 'peers-'));
    const files = await writeForOthers(workshop, folder);
    return [...(await sameLabels(folder, files)), ...(await fullSpeed(workshop, files))];
  },
};

interface Files {
  readonly model: string;
  readonly head: string;
}

/** Base and head in formats for other programs: a graph with float32 weights, and JSON. */
async function writeForOthers(workshop: Workshop, folder: string): Promise<Files> {
  const { file, manifest } = await workshop.base();
  const model = join(folder, 'base.onnx');
  // OpenCV 4.6 reads no float16 weights; folding makes them float32.
  await writeFile(model, encodeModel(foldModel(decodeModel(await readFile(file)))));
  const { weights, bias, labels } = await demoHead();
  const { mean, std, width, height } = manifest.input;
  const head = join(folder, 'head.json');
  const whole = { labels, weights: [...weights], bias: [...bias], mean, std, width, height };
  await writeFile(head, JSON.stringify(whole));
  return { model, head };
}

async function demoHead() {
  const { labels, head } = await readHeadManifest(join(shippedHead, 'manifest.json'));
  const weights = decodeHead(await readFile(join(shippedHead, head.file)), labels);
  if (!weights || weights.hidden || weights.transform) throw new Error('the demo head is not a linear one');
  return weights;
}

/** Whether both give the same labels for demo parts; otherwise a comparison of speed means nothing. */
async function sameLabels(folder: string, { model, head }: Files): Promise<Row[]> {
  const pictures = join(folder, 'pictures');
  await mkdir(pictures);
  const weights = await demoHead();
  await using session = await openSession({
    base: 'resnet50-embedded',
    provider: 'cpu',
    precision: 'fp32',
    threads: 0,
  });
  const ownLabels: string[] = [];
  const truth: string[] = [];
  for await (const { image, label } of drawSamples({ perLabel: 6, seed: 3 })) {
    const { width, height, data } = image;
    const name = `${String(ownLabels.length).padStart(3, '0')}.png`;
    await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(pictures, name));
    const probabilities = probabilitiesOf(weights, await session.features(image));
    ownLabels.push(weights.labels[probabilities.indexOf(Math.max(...probabilities))]!);
    truth.push(label);
  }
  const args = [opencvScript, '--model', model, '--head', head, '--pictures', pictures];
  const { stdout } = await promisify(execFile)(python, args);
  const scriptLabels = stdout.trim().split('\n');
  const share = (labels: readonly string[], others: readonly string[]) =>
    labels.filter((label, at) => label === others[at]).length / labels.length;
  return [
    {
      what: `same label from the agent's model and the OpenCV script, ${ownLabels.length} demo parts`,
      figure: share(ownLabels, scriptLabels),
      unit: '×',
      target: { atLeast: 0.95 },
    },
    { what: "right labels, the agent's model", figure: share(truth, ownLabels), unit: '×' },
    { what: 'right labels, the OpenCV script', figure: share(truth, scriptLabels), unit: '×' },
  ];
}

async function fullSpeed(workshop: Workshop, { model, head }: Files): Promise<Row[]> {
  const { seconds, broker } = workshop;
  const threads = availableParallelism();
  const bare = (precision: Precision, length = seconds) =>
    workshop.bare({ threads, precision, options: 'agent', seconds: length });
  // More frames per second than any of them can judge.
  const fps = Math.max(30, Math.ceil((1.25 * (await bare('int8', 2)).perSecond) / 5) * 5);
  await using camera = await workshop.camera({ ...size, fps, seconds: seconds + 60 });
  const { url } = camera;
  const agent = (precision: Precision) => async () => {
    const cameras = { line: { url, trigger: { kind: 'continuous', everyMs: 1 }, maxFps: fps } };
    await using running = await workshop.agent({ cameras, threads, precision });
    await firstVerdict(running);
    await sleep(1_000);
    const { perSecond, cores } = await observe(running, seconds);
    const used = cores.inference + cores.loop + cores.decoders;
    return { perSecond, cores: used, pssMb: pssMb(running.tree()) };
  };
  const topic = 'peer/result';
  const port = new URL(broker).port;
  const script = [opencvScript, '--model', model, '--head', head, '--url', url, '--port', port];
  const results = await interleaved(rounds, {
    int8: agent('int8'),
    fp32: agent('fp32'),
    opencv: () =>
      watchPublisher({ program: python, args: [...script, '--topic', topic] }, { broker, topic, seconds }),
    bareInt8: () => bare('int8'),
    bareFp32: () => bare('fp32'),
    decoding: () => watchCommand(decodesOnly(url), seconds),
  });
  const of = (figure: (result: (typeof results)[number]) => number) => median(results.map(figure));
  const names = { int8: 'agent, int8', fp32: 'agent, fp32', opencv: 'OpenCV script' } as const;
  return [
    {
      what: 'agent in int8 / OpenCV script, which has fp32 only: parts a second',
      figure: of(({ int8, opencv }) => int8.perSecond / opencv.perSecond),
      unit: '×',
      target: { atLeast: 3 },
    },
    {
      what: 'agent in fp32 / OpenCV script',
      figure: of(({ fp32, opencv }) => fp32.perSecond / opencv.perSecond),
      unit: '×',
    },
    {
      what: 'agent in int8 / bare loop in int8, the upper bound',
      figure: of(({ int8, bareInt8 }) => int8.perSecond / bareInt8.perSecond),
      unit: '×',
    },
    ...(['int8', 'fp32', 'opencv'] as const).flatMap((key): Row[] => [
      { what: names[key], figure: of((one) => one[key].perSecond), unit: 'parts/s' },
      {
        what: `${names[key]}: CPU time of a part`,
        figure: of((one) => (1000 * one[key].cores) / one[key].perSecond),
        unit: 'ms',
      },
      { what: `${names[key]}: memory (PSS)`, figure: of((one) => one[key].pssMb), unit: 'MB' },
    ]),
    { what: 'bare loop, int8', figure: of(({ bareInt8 }) => bareInt8.perSecond), unit: 'runs/s' },
    { what: 'bare loop, fp32', figure: of(({ bareFp32 }) => bareFp32.perSecond), unit: 'runs/s' },
    {
      what: `ffmpeg that only decodes, the lower bound: CPU time of each of its ${fps} frames/s`,
      figure: of(({ decoding }) => (1000 * decoding.cores) / fps),
      unit: 'ms',
    },
  ];
}
