/** Output of a command that reads the configuration: text for a person, or JSON for a script. */
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { requireReadable } from '../../models/disk/layout.ts';
import type { FileOptions } from './options.ts';
import { recorded } from './recorded.ts';
import { environment, print } from './shell.ts';

/** For a person, and for a script. */
export interface CommandAnswer {
  readonly text: string;
  readonly json: unknown;
}

/** @throws QcError config-…, and errors of the command */
export async function answer(
  { config, json }: FileOptions,
  command: (config: Config) => Promise<CommandAnswer>,
): Promise<void> {
  give(await command(loadConfig(config, environment)), json);
}

/** Like `answer`, and records the command with its outcome in the audit log. */
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

export function give({ text, json }: CommandAnswer, asJson: boolean | undefined): void {
  print(asJson ? JSON.stringify(json, null, 2) : text);
}
