/** `qc-agent models switch`: a candidate on another base, which is promoted together with its base. */
import type { Command } from 'commander';
import { lowerPriority } from '../../../calibration/jobs/lower-priority.ts';
import type { TuneDeps } from '../../../calibration/tune.ts';
import { loadConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/schema.ts';
import { openBase } from '../../../models/base.ts';
import { requireReadable } from '../../../models/disk/layout.ts';
import { requireInstalled } from '../../../models/versions/pair.ts';
import { openStore } from '../../../models/versions/store.ts';
import { type CommandAnswer, give } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { recorded } from '../recorded.ts';
import { environment, exitWithFailure, pid, steps, unlessStopped, untilSignal, whoami } from '../shell.ts';
import { trainCommand } from '../train.ts';
import { staleRecipes } from './stale-recipes.ts';

const examples = `
Trains a version on the other base and judges it on the same held-out parts as the active version. Promoting it activates head
and base in one step, for the recipe default and all recipes without a head of their own; models rollback returns to the old
pair. Exits with 1 if it was to be promoted and the gate refuses it.

Examples:
  qc-agent models switch resnet50 --config agent.yaml            # a candidate: run it in shadow mode, then promote it
  qc-agent models switch resnet50 --promote --config agent.yaml`;

interface Options extends FileOptions {
  readonly promote?: true;
}

export function addSwitch(models: Command): void {
  models
    .command('switch <base>')
    .description('train a version on another installed base; promoting it switches head and base together')
    .addOption(configFile())
    .option('--promote', 'promote it if the gate accepts it')
    .addOption(json('the figures'))
    .addHelpText('after', examples)
    .action(switchBase);
}

async function switchBase(base: string, options: Options): Promise<void> {
  lowerPriority(pid);
  const signal = untilSignal();
  const config = loadConfig(options.config, environment);
  await requireReadable(config.storage.directory);
  const { promote = false } = options;
  const work = () =>
    modelsSwitchCommand(config, base, { promote, by: whoami() }, { signal, ...steps(options.json) });
  const made = recorded(config, 'switch-base', { base, promote }, work);
  const done = await unlessStopped(signal, 'base and head stay', made);
  give(done, options.json);
  if (done.refused) exitWithFailure();
}

/** @throws QcError model-missing if there is no such base, and errors of training and promoting */
export async function modelsSwitchCommand(
  config: Config,
  base: string,
  options: { readonly promote: boolean; readonly by: string },
  deps: TuneDeps,
): Promise<CommandAnswer & { readonly refused: boolean }> {
  const { directory } = config.storage;
  const manifest = await requireInstalled(base, config.model, directory);
  const trained = await trainCommand(config, { ...options, base }, deps);
  const stale = await staleRecipes(await openStore(directory), config.recipes, manifest);
  const hints = [stale, await slowerHint(config, base)].filter((hint) => hint !== undefined);
  return { ...trained, text: [trained.text, ...hints].join('\n') };
}

/** If parts would take longer because only the base in use has an int8 variant. */
async function slowerHint({ model, storage }: Config, base: string): Promise<string | undefined> {
  const has8Bits = (name: string) =>
    openBase({ base: name, precision: 'int8', storageDirectory: storage.directory }).then(
      () => true,
      () => false,
    );
  if (!(await has8Bits(model.base)) || (await has8Bits(base))) return undefined;
  return `${base} has no int8 variant, so a part takes several times as long as now; to make one: qc-agent models quantize --base ${base}`;
}
