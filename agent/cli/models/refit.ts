/** `qc-agent models refit`: trains a head for the current base again if the active one was trained on another base. */
import type { Command } from 'commander';
import { lowerPriority } from '../../../calibration/jobs/lower-priority.ts';
import type { TuneDeps } from '../../../calibration/tune.ts';
import { loadConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/schema.ts';
import { openBase } from '../../../models/base.ts';
import { requireReadable } from '../../../models/disk/layout.ts';
import { misfitOf } from '../../../models/head.ts';
import { withBaseInUse } from '../../../models/versions/pair.ts';
import { openStore } from '../../../models/versions/store.ts';
import { type CommandAnswer, give } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { recorded } from '../recorded.ts';
import { environment, exitWithFailure, pid, steps, unlessStopped, untilSignal, whoami } from '../shell.ts';
import { trainCommand } from '../train.ts';
import { staleRecipes } from './stale-recipes.ts';

export function addRefit(models: Command): void {
  models
    .command('refit')
    .description(
      'after a change of the base: train the active version again and promote it if the gate accepts it',
    )
    .addOption(configFile())
    .addOption(json('the figures'))
    .addHelpText(
      'after',
      '\nDoes nothing if the base has not changed. Exits with 1 if the gate refuses the new version.\n\nExample:\n  qc-agent models refit --config agent.yaml',
    )
    .action(refit);
}

async function refit(options: FileOptions): Promise<void> {
  lowerPriority(pid);
  const signal = untilSignal();
  const config = loadConfig(options.config, environment);
  await requireReadable(config.storage.directory);
  const work = () => refitCommand(config, { by: whoami() }, { signal, ...steps(options.json) });
  const done = await unlessStopped(
    signal,
    'the active version is unchanged',
    recorded(config, 'refit', {}, work),
  );
  give(done, options.json);
  if (done.refused) exitWithFailure();
}

/** @throws QcError version-unknown if there is no active head, head-damaged, and errors of training and promoting */
async function refitCommand(
  config: Config,
  { by }: { readonly by: string },
  deps: TuneDeps,
): Promise<CommandAnswer & { readonly refused: boolean }> {
  const { model, storage, recipes } = config;
  const store = await openStore(storage.directory);
  const storageDirectory = storage.directory;
  const inUse = await withBaseInUse(model, storageDirectory);
  const { manifest: base } = await openBase({ ...inUse, storageDirectory });
  const active = await store.active();
  const misfit = active === undefined ? undefined : misfitOf((await store.read(active)).manifest, base);
  if (active !== undefined && !misfit) {
    const text = `nothing to do: ${active} was trained on ${base.name}, the base in use`;
    return { text, json: { promoted: false, active }, refused: false };
  }
  if (misfit) deps.onNotice(misfit.message);
  const trained = await trainCommand(config, { promote: true, by }, deps);
  const stale = await staleRecipes(store, recipes, base);
  return stale === undefined ? trained : { ...trained, text: `${trained.text}\n${stale}` };
}
