/** `qc-agent models export` */
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import { exportModel } from '../../../models/versions/export.ts';
import { answer, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';

export function addExport(models: Command): void {
  models
    .command('export <version> <file>')
    .description('write base and head of a version as one plain ONNX file for other runtimes')
    .addOption(configFile())
    .addOption(json('what was written'))
    .addHelpText(
      'after',
      '\nExample:\n  qc-agent models export 2026-11-23.2 press-3.onnx --config agent.yaml',
    )
    .action((version: string, file: string, options: FileOptions) =>
      answer(options, (config) => modelsExportCommand(config, version, file)),
    );
}

/** Writes base and head of a version as one ONNX file. @throws QcError as `exportModel` */
async function modelsExportCommand(
  { model, storage }: Pick<Config, 'model' | 'storage'>,
  version: string,
  file: string,
): Promise<CommandAnswer> {
  const exported = await exportModel(model, storage.directory, version, file);
  const { labels, licence, bytes } = exported;
  return {
    text: [
      `${version} with its base written to ${file}: ${(bytes / 1e6).toFixed(1)} MB of plain ONNX`,
      `outputs: probabilities of ${labels.join(', ')}, in this order; the preparation of images is described in its metadata ("input")`,
      `licence of the base: ${licence}`,
    ].join('\n'),
    json: { file, ...exported },
  };
}
