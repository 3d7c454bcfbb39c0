/**
 * Shows real photographs to the running agent through the RTSP server of GStreamer and compares the labels that arrive over
 * MQTT with the truth. `npm run build && node dist/test/bench/shown-on-real.js [--per-class N] [--each-ms N] [--seed N]`
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import type { Arrived } from '../../agent/bench/results.ts';
import { openBroker } from '../../agent/demo/broker.ts';
import { fitRidge } from '../../calibration/train/ridge.ts';
import { writeHead } from '../../calibration/train/write-head.ts';
import { modelSchema } from '../../config/model-schema.ts';
import type { Image } from '../../models/image.ts';
import { openInspector } from '../../models/inspector.ts';
import { openStore } from '../../models/versions/store.ts';
import { openGstRtsp } from '../rigs/gst-rtsp.ts';
import { mosquittoMissing, startMosquitto } from '../rigs/mosquitto.ts';
import { until } from '../rigs/until.ts';
import { startAgent } from './agent-process.ts';
import { readOptions } from './options.ts';
import { distance, draw, framed, middle, readImage } from './real/dataset.ts';
import { placeImagenetBase } from './real/imagenet-base.ts';
import { imagenetWeights, photographs, requirePaths } from './real/photographs.ts';
import { type Answer, accuracy, byLabel, confusion, margin } from './real/score.ts';

const perLabelForTraining = 10;
const least = 0.9;
/** The images are 128 × 128 (except two, 122 and 130 wide), centred in the frame on whole pixels. */
const side = 128;
const frame = { width: 320, height: 240 };
const region = { x: 96 / 320, y: 56 / 240, width: side / 320, height: side / 240 };

const usage = `Usage: node dist/test/bench/shown-on-real.js [--per-class N] [--each-ms N] [--seed N] [--json FILE]

Shows photographs to a running agent and reports the accuracy of its labels (docs/benchmarks.md).`;
const { values } = readOptions(usage, {
  options: {
    'per-class': { type: 'string', default: 'Infinity' },
    'each-ms': { type: 'string', default: '250' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const eachMs = Number(values['each-ms']);
const seed = Number(values.seed);

const parts = join(photographs, 'parts', 'x_sdd');
requirePaths('shown-on-real', [imagenetWeights, parts]);
const { training, testing } = draw(parts, {
  train: perLabelForTraining,
  test: Number(values['per-class']),
  seed,
});

const folder = await mkdtemp(join(tmpdir(), 'qc-real-'));
try {
  const storage = join(folder, 'storage');
  const base = await placeImagenetBase(folder, imagenetWeights);
  const direct = await fitAndJudge(base, storage);
  const shown = await showToAgent(base, storage);
  const figures = report(direct, shown);
  if (values.json) await writeFile(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  process.exitCode = figures.accuracy >= least ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Trains the head on the training images, makes it live, and judges the others without a camera. */
async function fitAndJudge(base: string, storageDirectory: string): Promise<Answer[]> {
  const model = modelSchema.parse({ base, provider: 'cpu' });
  await using inspector = await openInspector({ model, storageDirectory, onNotice: () => undefined });
  const rows: Float32Array[] = [];
  for (const { file } of training) rows.push(await inspector.features(await readImage(file)));
  const head = fitRidge(
    rows,
    training.map(({ label }) => label),
  );
  console.log(
    `head trained on ${training.length} images: strength ${head.strength}, ` +
      `leave-one-out ${head.looAccuracy.toFixed(3)}`,
  );
  const draft = join(storageDirectory, 'models', 'draft');
  await writeHead(draft, head, { base: inspector.manifest, createdAt: new Date() });
  const store = await openStore(storageDirectory);
  const version = await store.add(draft);
  await store.promote(version);
  await inspector.swapHead(version);
  const answers: Answer[] = [];
  for (const { label, file } of testing) {
    const { probabilities } = await inspector.judge(await readImage(file));
    const [most] = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
    answers.push({ truth: label, said: most?.[0] });
  }
  return answers;
}

interface Shown {
  readonly answers: readonly Answer[];
  readonly results: readonly Arrived[];
  /** For each part: mean difference between the image shown and the image judged, levels of 255. */
  readonly distances: readonly number[];
  /** Log messages of the agent, warnings and errors. */
  readonly warnings: readonly string[];
}

/** Shows each image, sends a trigger command as a PLC does, and receives the label over MQTT. */
async function showToAgent(base: string, storage: string): Promise<Shown> {
  await using broker = mosquittoMissing ? await openBroker() : await startMosquitto();
  await using camera = await openGstRtsp({ source: 'pictures', codec: 'h264', fps: 25, ...frame });
  await using agent = await startAgent({
    broker: broker.url,
    folder,
    storage,
    base,
    // The test images do not move and have no sensor noise.
    cameras: {
      line: { url: camera.url, region, trigger: { kind: 'command', timeoutMs: 2_000 }, freezeMs: 0 },
    },
  });
  await until(async () => (await fetch(`${agent.url}/readyz`)).ok, {
    timeoutMs: 20_000,
    what: 'the agent to be ready',
  });
  const answers: Answer[] = [];
  const results: Arrived[] = [];
  const distances: number[] = [];
  for (const [index, part] of testing.entries()) {
    const picture = framed(await readImage(part.file), frame);
    await camera.show(picture);
    // Encoder, network and decoder cause a delay: the trigger must not capture the previous image.
    await sleep(eachMs);
    const partId = `${index}-${basename(part.file)}`;
    await agent.command('trigger', { camera: 'line', partId });
    const arrived = await until(() => agent.arrived.find(({ result }) => result.partId === partId), {
      what: `the result of ${partId}`,
      timeoutMs: 5_000,
    }).catch(() => undefined);
    answers.push({ truth: part.label, said: arrived?.result.label ?? undefined });
    if (!arrived) continue;
    results.push(arrived);
    distances.push(
      distance(
        middle(picture, side),
        await evidence(`${agent.url}/api/v1/evidence/${arrived.result.resultId}.jpg`),
      ),
    );
    if (process.stderr.isTTY) process.stderr.write(`\r${index + 1} of ${testing.length} `);
  }
  const warnings = agent.log.filter(({ level }) => level >= 40).map(({ msg }) => msg);
  return { answers, results, distances, warnings };
}

async function evidence(url: string): Promise<Image> {
  const jpeg = sharp(Buffer.from(await (await fetch(url)).arrayBuffer()));
  const { data, info } = await jpeg.raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

function report(direct: readonly Answer[], { answers, results, distances, warnings }: Shown) {
  const share = accuracy(answers);
  const percent = (value: number) => `${(value * 100).toFixed(1)} %`;
  const verdicts = (['pass', 'fail', 'uncertain'] as const).map(
    (verdict) => `${verdict} ${results.filter(({ result }) => result.verdict === verdict).length}`,
  );
  console.log(
    `${answers.length} images shown, ${results.length} results, seed ${seed}\n` +
      `right over RTSP and MQTT  ${percent(share)} ± ${percent(margin(share, answers.length))}\n` +
      `right without a camera    ${percent(accuracy(direct))}\n` +
      `verdicts                  ${verdicts.join(', ')}\n` +
      `judged image differs from the file by ${mean(distances).toFixed(1)} of 255 levels, at most ${Math.max(...distances).toFixed(1)}`,
  );
  const alone = byLabel(direct);
  for (const [label, right] of byLabel(answers)) {
    console.log(
      `  ${label.padEnd(36)} ${percent(right).padStart(7)}  without a camera ${percent(alone.get(label)!)}`,
    );
  }
  console.log(`truth in rows, label in columns of the same order, last: no answer\n${confusion(answers)}`);
  for (const warning of new Set(warnings)) console.log(`the agent warned: ${warning}`);
  return {
    seed,
    shown: answers.length,
    accuracy: share,
    direct: accuracy(direct),
    byLabel: Object.fromEntries(byLabel(answers)),
    meanDistance: mean(distances),
    worstDistance: Math.max(...distances),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
