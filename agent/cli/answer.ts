/** How a command that reads the config answers: for a person, or as JSON for a script. */
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { requireReadable } from '../../models/disk/layout.ts';
import { recordedCommand } from './audit-commands.ts';
import type { CommandAnswer } from './models-commands.ts';
import type { FileOptions } from './options.ts';
import { environment, print, warn, whoami } from './shell.ts';

/** @throws QcError config-…, and what the command throws */
export async function answer(
  { config, json }: FileOptions,
  command: (config: Config) => Promise<CommandAnswer>,
): Promise<void> {
  give(await command(loadConfig(config, environment)), json);
}

/** As `answer`, and recorded in the audit log, however it ends. */
export function answerRecorded(
  options: FileOptions,
  action: string,
  what: object,
  command: (config: Config) => Promise<CommandAnswer>,
): Promise<void> {
  return answer(options, async (config) => {
    await requireReadable(config.storage.directory);
    return recorded(config, action, what, () => command(config));
  });
}

/** Does it, and writes who did what, and how it ended, into the audit log. */
export function recorded<T>(
  config: Config,
  action: string,
  what: object,
  work: () => Promise<T>,
): Promise<T> {
  return recordedCommand(config, { user: whoami(), action, what }, work, warn);
}

export function give({ text, json }: CommandAnswer, asJson: boolean | undefined): void {
  print(asJson ? JSON.stringify(json, null, 2) : text);
}
