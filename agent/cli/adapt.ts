/** `qc-agent adapt`: trains a candidate for parts as they look now, after a change of light or focus. */
import type { Command } from 'commander';
import { lowerPriority } from '../../calibration/jobs/lower-priority.ts';
import { loadConfig } from '../../config/load.ts';
import { requireReadable } from '../../models/disk/layout.ts';
import { give } from './answer.ts';
import { configFile, type FileOptions, json, positive } from './options.ts';
import { recorded } from './recorded.ts';
import { environment, exitWithFailure, pid, steps, unlessStopped, untilSignal, whoami } from './shell.ts';
import { trainCommand } from './train.ts';

export function addAdapt(program: Command): void {
  program
    .command('adapt')
    .description(
      'train a model version for parts as they look after a change of light or focus, from recent images without labels; the active version is unchanged',
    )
    .addOption(configFile())
    .requiredOption(
      '--images <path>',
      'folder or zip with at least 30 images of recent parts, cut as the camera does; the last 64 by name are used',
    )
    .option(
      '--usual-parts',
      'you have looked at the images, and they show usual parts, most of them good; without this, the gate refuses the version',
    )
    .option('--promote', 'promote it if the gate accepts it; exit 1 if it does not')
    .option('--seed <n>', 'random seed', positive, 1)
    .addOption(json('the figures'))
    .addHelpText(
      'after',
      `
The change of brightness, colour and sharpness is measured on the images and applied to copies of the labelled images.
It is refused if light and focus do not explain how the recent parts differ, or if most of them are bad.

Example:
  qc-agent adapt --config agent.yaml --images /var/lib/qc-agent/evidence/2026-11-30 --usual-parts
To return to the version before: qc-agent models rollback`,
    )
    .action(adapt);
}

interface Options extends FileOptions {
  readonly images: string;
  readonly usualParts?: true;
  readonly promote?: true;
  readonly seed: number;
}

async function adapt(options: Options): Promise<void> {
  lowerPriority(pid);
  const signal = untilSignal();
  const config = loadConfig(options.config, environment);
  await requireReadable(config.storage.directory);
  const { images, seed, usualParts: areUsual = false, promote = false } = options;
  const asked = { promote, seed, adaptTo: { images, areUsual }, by: whoami() };
  const work = () => trainCommand(config, asked, { signal, ...steps(options.json) });
  const made = recorded(config, 'adapt', { images, usualParts: areUsual, promote }, work);
  const trained = await unlessStopped(signal, 'no model version was made', made);
  give(trained, options.json);
  if (trained.refused) exitWithFailure();
}
