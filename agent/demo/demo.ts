/** The demo: a simulated line, a broker, and the same agent as in production, on this machine. */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';
import { stringify } from 'yaml';
import { loadConfig } from '../../config/load.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { openAgent } from '../agent.ts';
import { Closer } from '../lifecycle/closer.ts';
import { openLog } from '../lifecycle/log.ts';
import type { Result } from '../publish/messages.ts';
import { openBroker } from './broker.ts';
import { portOr } from './free-port.ts';
import { provideDemoHead } from './head.ts';
import { openLine } from './line.ts';
import { type DemoSummary, openScore, type ScoredResult } from './score.ts';

export interface DemoOptions {
  /** Ends after this many seconds; default: when the signal aborts. */
  readonly seconds?: number | undefined;
  readonly partsPerMinute: number;
  readonly seed: number;
  /** Folder for the configuration and the head of the demo. */
  readonly directory: string;
  /** Version of the agent. */
  readonly version: string;
  /** Whether standard error is a terminal. */
  readonly terminal: boolean;
  readonly signal: AbortSignal;
  /** Called with the current step, one line. */
  readonly onStep: (text: string) => void;
  /** Called when everything is running. */
  readonly onReady: (places: DemoPlaces) => void;
  readonly onResult: (scored: ScoredResult) => void;
  /** Called before everything is closed. */
  readonly onEnd: (summary: DemoSummary) => void;
}

/** Addresses of the running demo. */
export interface DemoPlaces {
  readonly page: string;
  readonly broker: string;
  readonly topic: string;
  readonly camera: string;
  readonly configFile: string;
}

const topic = 'demo/line-1/press-1/qc';

/** Runs the whole line until it ends; the summary counts exactly the results that `onResult` got. */
export async function runDemo(options: DemoOptions): Promise<DemoSummary> {
  const { onStep, onResult, signal, seed, partsPerMinute } = options;
  const directory = resolve(options.directory);
  await using opened = new Closer();

  onStep('Starting a simulated line: RTSP camera, MQTT broker, agent …');
  const broker = opened.use(await openBroker({ port: await portOr(1883) }));
  const line = opened.use(await openLine({ port: await portOr(8554), seed, partsPerMinute }));

  const configFile = join(directory, 'agent.yaml');
  await makeFolders(directory);
  await writeFile(configFile, demoConfig(line, broker.url, await portOr(8080)));
  const config = loadConfig(configFile, {});
  await provideDemoHead(config.storage.directory, {
    model: config.model,
    onProgress: (done, total) => {
      if (done === 1) onStep(`Training the model on ${total} simulated parts (once; about a minute) …`);
      if (done % 40 === 0 || done === total) onStep(`  ${done} of ${total}`);
    },
  });

  const subscriber = await mqtt.connectAsync(broker.url, { clientId: 'demo-printer', reconnectPeriod: 500 });
  opened.defer(() => subscriber.endAsync(true));
  const score = openScore(line);
  const onMessage = (_topic: string, payload: Buffer) =>
    onResult(score.add(JSON.parse(payload.toString()) as Result));
  subscriber.on('message', onMessage);
  await subscriber.subscribeAsync(`${topic}/+/result`, { qos: 1 });

  const log = openLog(config.log, options.terminal, { station: config.station });
  const agent = opened.use(await openAgent(config, { log, version: options.version }));
  options.onReady({ page: agent.url, broker: broker.url, topic, camera: line.url, configFile });
  score.begin();
  await Promise.race([ended(signal, options.seconds), agent.failed]);

  // The agent finishes parts while it closes: their results come after the summary and are not printed.
  subscriber.off('message', onMessage);
  const summary = score.end();
  options.onEnd(summary);
  return summary;
}

/** Resolves after this many seconds, or when the signal aborts. */
async function ended(signal: AbortSignal, seconds = 2_000_000): Promise<void> {
  // AbortSignal.any is not used: Node 20 may garbage-collect it, and then the wait never ends.
  await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
}

interface LineAddress {
  readonly url: string;
  readonly region: object;
}

/** The configuration file of the demo: a template for a real line. */
function demoConfig({ url, region }: LineAddress, broker: string, port: number): string {
  const cameras = {
    top: { url, region, trigger: { kind: 'presence' }, vote: { frames: 3 }, simulated: true },
  };
  const settings = {
    station: 'press-1',
    cameras,
    mqtt: { url: broker, topic },
    http: { port },
    labels: { good: ['good'] },
    storage: { directory: './storage' },
    log: { level: 'warn' },
  };
  return `# Written by qc-agent demo, which overwrites it. Copy it, replace the addresses of camera and broker,\n# and run: qc-agent run --config FILE\n${stringify(settings)}`;
}
