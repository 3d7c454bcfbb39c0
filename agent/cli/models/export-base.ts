/** `qc-agent models export-base` */
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import { exportBase } from '../../../models/versions/export.ts';
import { answer, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';

export function addExportBase(models: Command): void {
  models
    .command('export-base <file>')
    .description('write the base as an ONNX file for an inference server (docs/remote.md)')
    .addOption(configFile())
    .addOption(json('what was written'))
    .addHelpText(
      'after',
      '\nExample:\n  qc-agent models export-base repository/base/1/model.onnx --config agent.yaml',
    )
    .action((file: string, options: FileOptions) =>
      answer(options, (config) => modelsExportBaseCommand(config, file)),
    );
}

/** Writes the base for an inference server. @throws QcError as `exportBase` */
async function modelsExportBaseCommand(
  { model, storage }: Pick<Config, 'model' | 'storage'>,
  file: string,
): Promise<CommandAnswer> {
  const exported = await exportBase(model, storage.directory, file);
  const { base, input, output, size, licence, bytes } = exported;
  return {
    text: [
      `${base} written to ${file}: ${(bytes / 1e6).toFixed(1)} MB of plain ONNX`,
      `input ${input}: prepared pixels; output ${output}: ${size} features per image; docs/remote.md describes how to run it on a server`,
      `licence of the base: ${licence}`,
    ].join('\n'),
    json: { file, ...exported },
  };
}
