/** `qc-agent config …`: the settings themselves. */
import type { Command } from 'commander';

import { configCheckCommand, configReferenceCommand, configSchemaCommand } from './config-commands.ts';
import { environment, print } from './shell.ts';

export function addConfig(program: Command): void {
  const config = program
    .command('config')
    .description('the settings: check a file, print the schema or the reference');
  config
    .command('check <file>')
    .description('say everything that is wrong with a config file')
    .action((file: string) => print(configCheckCommand(file, environment)));
  config
    .command('schema')
    .description('the JSON Schema of the config file, for editors')
    .action(() => print(configSchemaCommand()));
  config
    .command('reference')
    .description('every setting, with default, unit and meaning')
    .action(() => print(configReferenceCommand()));
}
