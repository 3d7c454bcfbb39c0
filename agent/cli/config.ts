/** `qc-agent config …`: the settings. */
import type { Command } from 'commander';

import type { Environment } from '../../config/environment.ts';
import { loadConfig } from '../../config/load.ts';
import { referenceText, schemaText } from '../../config/reference.ts';
import type { CameraConfig } from '../../config/schema.ts';
import { redactUrl } from '../../config/secrets.ts';
import { environment, print } from './shell.ts';

export function addConfig(program: Command): void {
  const config = program
    .command('config')
    .description('check a config file, print its schema or its reference');
  config
    .command('check <file>')
    .description('check a config file and report all problems')
    .action((file: string) => print(configCheckCommand(file, environment)));
  config
    .command('schema')
    .description('print the JSON Schema of the config file, for editors')
    .action(() => print(schemaText()));
  config
    .command('reference')
    .description('print every setting with its default, unit and description')
    .action(() => print(referenceText()));
}

/**
 * The effective settings, one line each, without secrets; warnings last. @throws ConfigError with all problems
 */
export function configCheckCommand(file: string, env: Environment): string {
  const warnings: string[] = [];
  const config = loadConfig(file, env, (warning) => warnings.push(`warning: ${warning}`));
  const { mqtt, http, model } = config;
  const secured = http.tokensFile ? 'with tokens' : 'loopback only';
  const scheme = http.cert ? 'https' : 'http';
  return [
    `${file}: good`,
    `station ${config.station}`,
    ...Object.entries(config.cameras).map(([name, camera]) => cameraLine(name, camera)),
    `broker ${redactUrl(mqtt.url)} as ${mqtt.username ?? 'nobody (no user)'}${password(mqtt)}, topics under ${mqtt.topic}`,
    `${scheme} ${http.host}:${http.port}, ${secured}`,
    `model ${model.base} on ${model.provider === 'remote' ? redactUrl(model.remote!.url) : model.provider}, precision ${model.precision}`,
    `good means ${config.labels.good.join(', ')}`,
    `storage ${config.storage.directory}`,
    ...warnings,
    '',
  ].join('\n');
}

function cameraLine(name: string, camera: CameraConfig): string {
  const { region, trigger, vote } = camera;
  const frames = vote.frames === 1 ? '1 frame' : `${vote.frames} frames`;
  const area = `${Math.round(region.width * region.height * 100)} % of the image`;
  return `camera ${name}: ${redactUrl(camera.url)}${password(camera)}, ${trigger.kind}, ${frames} per part, ${area}`;
}

const password = (section: { readonly password?: string | undefined }) =>
  section.password === undefined ? '' : ' with a password';
