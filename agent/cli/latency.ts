/** `qc-agent latency`: measures the time from a change in front of the camera to the first frame that shows it. */
import type { Command } from 'commander';

import { QcError } from '../../config/errors.ts';
import { loadConfig } from '../../config/load.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';
import { sourceFor } from '../camera/feed.ts';
import { measureLatency } from '../camera/latency.ts';
import { typicalMs, writeLatency } from '../camera/latency-record.ts';
import { collectPixelsEarly } from '../camera/pixel-gc.ts';
import { configFile, type FileOptions, json, wholeNumber } from './options.ts';
import { environment, exitWithFailure, exitWithin, inputLines, note, print, untilSignal } from './shell.ts';

interface LatencyOptions extends FileOptions {
  readonly camera: string;
  readonly times: number;
}

export function addLatency(program: Command): void {
  program
    .command('latency')
    .description(
      'measure the delay from the camera to the agent, with a change in the image at a known moment',
    )
    .addOption(configFile())
    .requiredOption('--camera <name>', 'name of the camera in the config')
    .option('--times <n>', 'number of measurements', wholeNumber, 3)
    .addOption(json('the measurements'))
    .addHelpText(
      'after',
      '\nChange something in the region (switch a lamp, insert a part) and press Enter at the same moment. A script or a PLC' +
        '\nthat writes a line at the moment of the change is more exact. The result is stored for qc-agent doctor.' +
        '\n\nExamples:\n  qc-agent latency --config agent.yaml --camera top\n  flash-lamp | qc-agent latency --config agent.yaml --camera top --times 5',
    )
    .action(async (options: LatencyOptions) => {
      await latency(options);
      exitWithin(1_000);
    });
}

async function latency({ config: file, camera, times, json: asJson }: LatencyOptions): Promise<void> {
  collectPixelsEarly();
  const signal = untilSignal();
  const { cameras, storage } = loadConfig(file, environment);
  const config = cameras[camera];
  if (!config) {
    throw new QcError(
      'camera-unknown',
      `there is no camera "${camera}"; use one of: ${Object.keys(cameras).join(', ')}`,
    );
  }
  const measurements = await measureLatency(camera, {
    source: sourceFor(config),
    config,
    signal,
    times: Math.max(1, times),
    moments: moments(),
    onReady: (done) =>
      note(`${done + 1} of ${times}: change something in the region and press Enter at the same moment`),
  });
  const record = await writeLatency(storage.directory, camera, measurements);
  const ms = typicalMs(record);
  const sorted = record.measurements.toSorted((a, b) => a - b);
  const seconds = (value: number) => (value / 1000).toFixed(2);
  if (asJson) print(JSON.stringify({ camera, latencyMs: ms, ...record }, null, 2));
  else {
    print(`camera ${camera}: ${seconds(ms)} s (${seconds(sorted[0]!)} to ${seconds(sorted.at(-1)!)} s)`);
    if (config.clock === 'arrival') print(`set cameras.${camera}.latencyMs: ${Math.max(0, ms)}`);
  }
  if (ms > config.maxAgeMs) {
    note(`this is more than maxAgeMs (${config.maxAgeMs}): no part may pass on such images`);
    exitWithFailure();
  }
}

async function* moments(): AsyncGenerator<number> {
  for await (const _ of inputLines()) yield monotonicMs();
}
