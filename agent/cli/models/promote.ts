/** `qc-agent models promote` */
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import { type Promoted, promoteVersion } from '../../../models/versions/promote.ts';
import { answerRecorded, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { whoami } from '../shell.ts';

export function addPromote(models: Command): void {
  models
    .command('promote <version>')
    .description('make a version the active one, from the next start on')
    .addOption(configFile())
    .addOption(json('what is active now'))
    .addHelpText('after', '\nExample:\n  qc-agent models promote 2026-11-23.2 --config agent.yaml')
    .option('--override <reason>', 'promote it even if its gate refuses it; the reason is recorded')
    .action((version: string, options: FileOptions & { override?: string }) =>
      answerRecorded(options, 'promote', { version, override: options.override }, (config) =>
        modelsPromoteCommand(config, version, { by: whoami(), override: options.override }),
      ),
    );
}

/** @throws QcError as `promoteVersion` */
export async function modelsPromoteCommand(
  config: Pick<Config, 'model' | 'storage' | 'mqtt'>,
  version: string,
  options: { readonly by: string; readonly override?: string | undefined },
): Promise<CommandAnswer> {
  const promoted = await promoteVersion(config, version, options);
  if (promoted.before === version) {
    return { text: `${version} is active already`, json: promoted };
  }
  return changed(config, promoted, { action: 'promote', version });
}

/** A running agent keeps its head in memory; only an MQTT command changes it there. */
export function changed(
  { mqtt }: Pick<Config, 'mqtt'>,
  { active, before }: Promoted,
  command: { readonly action: string; readonly version?: string },
): CommandAnswer {
  const lines = [
    `${active} is active now${before === undefined ? '' : `; before: ${before}`}`,
    'A running agent uses its current version until its next start. To change it immediately, send:',
    `  topic    ${mqtt.topic}/command/model`,
    `  payload  ${JSON.stringify(command)}`,
  ];
  return { text: lines.join('\n'), json: { active, before: before ?? null } };
}
