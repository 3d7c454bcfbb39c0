/** `qc-agent models import`: a base from a file that was downloaded or brought along. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../../../config/schema.ts';
import type { ImportedBase } from '../../../models/hubs/import.ts';
import { answerRecorded, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { warn } from '../shell.ts';

interface Options extends FileOptions {
  readonly architecture?: string;
  readonly name?: string;
  readonly licence?: string;
  readonly size: { readonly width: number; readonly height: number };
  readonly features: 'last' | 'stages';
}

const examples = `
Reads safetensors, PyTorch (.pth, .pt, .bin), Keras (.h5, .keras, .weights.h5), TAO (.hdf5), TensorFlow.js and SavedModel,
and rebuilds ResNet, VGG and MobileNet as ONNX. An .onnx needs its manifest beside it. Nothing in a file is executed.

Examples:
  qc-agent models import resnet50-11ad3fa6.pth --licence BSD-3-Clause --config agent.yaml
  qc-agent models import resnet-50/ --config agent.yaml
  qc-agent models import resnet50.safetensors --architecture resnet50-v1 --name mine --config agent.yaml`;

export function addImport(models: Command): void {
  models
    .command('import <path>')
    .description('import pre-trained weights from a file or folder as a base (docs/bases.md)')
    .addOption(configFile())
    .option(
      '--architecture <name>',
      'architecture, if the file does not contain it: resnet50-v1, resnetblur50 …',
    )
    .option('--name <name>', 'name for model.base; default: the name of the file')
    .option('--licence <text>', 'licence of the weights; default: read from the files in the same folder')
    .option('--size <pixels>', 'size of the input images: 224, or 320x256', imageSize, {
      width: 224,
      height: 224,
    })
    .addOption(
      new Option(
        '--features <which>',
        'last: average of the last map, as published; stages: average and maximum of stages 2 and 3, as the embedded base has',
      )
        .choices(['last', 'stages'])
        .default('last'),
    )
    .addOption(json('what was found and written'))
    .addHelpText('after', examples)
    .action((path: string, options: Options) =>
      answerRecorded(options, 'import-base', { path, name: options.name }, (config) =>
        modelsImportCommand(config, path, options),
      ),
    );
}

/** @throws QcError what `importBase` throws */
async function modelsImportCommand(
  { storage }: Pick<Config, 'storage'>,
  path: string,
  { architecture, name, licence, size, features }: Options,
): Promise<CommandAnswer> {
  const { importBase } = await import('../../../models/hubs/import.ts');
  const imported = await importBase({
    path,
    storageDirectory: storage.directory,
    architecture,
    name,
    licence,
    size,
    features,
  });
  warnOfLicence(imported.manifest.licence);
  const { manifest, file, bytes, found } = imported;
  return { text: textOf(imported).join('\n'), json: { name: manifest.name, file, bytes, found, manifest } };
}

function warnOfLicence(licence: string): void {
  if (licence === 'not stated')
    warn('no file says under which licence the weights are: ask their publisher, and name it with --licence');
  else if (/\bnc\b|non-?commercial/i.test(licence))
    warn(`the licence of the weights (${licence}) does not allow commercial use`);
}

const maxListed = 6;

function textOf({ manifest, file, bytes, found }: ImportedBase): string[] {
  const { name, input, features, maps = [], licence } = manifest;
  const read = found && [
    `read       ${found.format}: ${found.tensors} tensors${found.prefix === '' ? '' : `, those below "${found.prefix}" are used`}`,
    `network    ${found.network}, with the names that ${found.source} gives its layers`,
    ...(found.unused.length > 0 ? [`left out   ${listed(found.unused)}`] : []),
  ];
  const shown = maps.map(({ stride, channels }) => `${channels} channels at stride ${stride}`);
  return [
    ...(read ?? ['read       ONNX with its manifest']),
    `images     ${input.width}×${input.height} ${input.channels}, value · ${Number(input.scale.toPrecision(4))} − [${input.mean}], divided by [${input.std}]`,
    `features   ${features.size}${shown.length > 0 ? `; maps: ${shown.join(', ')}` : '; no maps'}`,
    `licence    ${licence}`,
    `written    ${file} (${(bytes / 1e6).toFixed(1)} MB) and its manifest`,
    `To use it, set model.base to ${name} and train a head for it: qc-agent models refit`,
  ];
}

function listed(names: readonly string[]): string {
  const more = names.length - maxListed;
  return `${names.slice(0, maxListed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function imageSize(text: string): Options['size'] {
  const [, width, height = width] = /^(\d{2,4})(?:[x×](\d{2,4}))?$/.exec(text) ?? [];
  const size = { width: Number(width), height: Number(height) };
  if (![size.width, size.height].every((pixels) => pixels >= 32 && pixels <= 4096))
    throw new InvalidArgumentError('a size from 32 to 4096 pixels is needed, for example 224 or 320x256.');
  return size;
}
