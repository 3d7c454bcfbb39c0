/** `qc-agent models import`: imports a base from a local file. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { QcError } from '../../../config/errors.ts';
import type { Config } from '../../../config/schema.ts';
import type { ImportedBase } from '../../../models/hubs/import.ts';
import { excludesCommerce } from '../../../models/hubs/licence.ts';
import type { Proposal } from '../../../models/hubs/onnx/propose.ts';
import { answerRecorded, type CommandAnswer } from '../answer.ts';
import { acceptLicence, configFile, type FileOptions, json, positive } from '../options.ts';
import { ask, note, warn } from '../shell.ts';

interface Options extends FileOptions {
  readonly architecture?: string;
  readonly name?: string;
  readonly licence?: string;
  readonly acceptLicence?: boolean;
  readonly size?: { readonly width: number; readonly height: number };
  /** `last`, `stages`, or a tensor of an .onnx. */
  readonly features: string;
  readonly layout?: 'NCHW' | 'NHWC';
  readonly channels?: 'RGB' | 'BGR';
  readonly scale?: number;
  readonly mean?: Three;
  readonly std?: Three;
  readonly yes?: true;
}
type Three = [number, number, number];

const examples = `
Reads safetensors, PyTorch (.pth, .pt, .bin), Keras (.h5, .keras, .weights.h5), TAO (.hdf5), TensorFlow.js and SavedModel,
and rebuilds ResNet, VGG and MobileNet as ONNX. Nothing in these files is executed.
An .onnx without a manifest is run once: its inputs and outputs are found from its graph and from the files next to
it, shown, and imported after you confirm it. Options replace what is concluded.

Examples:
  qc-agent models import resnet50-11ad3fa6.pth --licence BSD-3-Clause --config agent.yaml
  qc-agent models import resnet-50/ --config agent.yaml
  qc-agent models import resnet50.safetensors --architecture resnet50-v1 --name mine --config agent.yaml
  qc-agent models import dinov2-small/onnx/model.onnx --licence Apache-2.0 --config agent.yaml
  qc-agent models import mine.onnx --channels BGR --scale 1 --mean 103.939,116.779,123.68 --std 1,1,1 --yes --config agent.yaml`;

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
    .addOption(acceptLicence())
    .option(
      '--size <pixels>',
      'size of the input images: 224, or 320x256; default: that of the .onnx or of the files next to it, otherwise 224',
      imageSize,
    )
    .option(
      '--features <which>',
      'last: average of the last map, as published; stages: average and maximum of stages 2 and 3, as in the embedded base; for an .onnx also the name of a tensor',
      'last',
    )
    .addOption(new Option('--layout <layout>', 'layout of the input of an .onnx').choices(['NCHW', 'NHWC']))
    .addOption(new Option('--channels <order>', 'order of the channels for an .onnx').choices(['RGB', 'BGR']))
    .option('--scale <factor>', 'for an .onnx: each pixel value is multiplied by it', positive)
    .option('--mean <values>', 'for an .onnx: values subtracted after scaling, as a,b,c', three)
    .option('--std <values>', 'for an .onnx: divisors after the subtraction, as a,b,c', threePositive)
    .option('--yes', 'import an .onnx as proposed, without a question')
    .addOption(json('the findings and the files'))
    .addHelpText('after', examples)
    .action((path: string, options: Options) =>
      answerRecorded(
        options,
        'import-base',
        { path, name: options.name, acceptLicence: options.acceptLicence },
        (config) => modelsImportCommand(config, path, options),
      ),
    );
}

/** @throws QcError as `importBase` */
async function modelsImportCommand(
  { storage }: Pick<Config, 'storage'>,
  path: string,
  { architecture, name, licence, acceptLicence = false, size, features, yes, ...options }: Options,
): Promise<CommandAnswer> {
  const { importBase } = await import('../../../models/hubs/import.ts');
  const { layout, channels, scale, mean, std } = options;
  const isPlain = features === 'last' || features === 'stages';
  const imported = await importBase({
    path,
    storageDirectory: storage.directory,
    architecture,
    name,
    licence,
    acceptLicence,
    size,
    features: isPlain ? features : 'last',
    onnx: { layout, channels, scale, mean, std, tensor: isPlain ? undefined : features },
    confirm: (proposal) => confirmed(path, proposal, yes === true),
  });
  warnOfLicence(imported.manifest.licence);
  const { manifest, file, bytes, found } = imported;
  return {
    text: importedLines(imported).join('\n'),
    json: { name: manifest.name, file, bytes, found, manifest },
  };
}

async function confirmed(
  path: string,
  { network, findings, doubts }: Proposal,
  yes: boolean,
): Promise<boolean> {
  note(`${path}: ${network}`);
  for (const { what, value, because, option } of findings) {
    note(`  ${what.padEnd(9)} ${value}`);
    note(`            ${because} (${option})`);
  }
  for (const doubt of doubts) warn(doubt);
  if (yes) return true;
  const answer = await ask('Import it with these settings? [y/N] ');
  if (answer === undefined)
    throw new QcError(
      'import-declined',
      'the question cannot be answered: the standard input is not a terminal',
      {
        remedy: 'run it again with --yes if the proposal is right',
      },
    );
  return /^y(?:es)?$/i.test(answer.trim());
}

export function warnOfLicence(licence: string): void {
  if (licence === 'not stated')
    warn(
      'the licence of the weights is not stated in any file: ask their publisher, and set it with --licence',
    );
  else if (excludesCommerce(licence))
    warn(`the licence of the weights (${licence}) does not allow commercial use`);
}

const maxListed = 6;

export function importedLines({ manifest, file, bytes, found, proposal }: ImportedBase): string[] {
  const { name, network, cost, input, features, maps = [], licence } = manifest;
  const read = found && [
    `read       ${found.format}: ${found.tensors} tensors${found.prefix === '' ? '' : `, those below "${found.prefix}" are used`}`,
    `network    ${found.network}, with the names that ${found.source} gives its layers`,
    ...(found.unused.length > 0 ? [`left out   ${listed(found.unused)}`] : []),
  ];
  const shown = maps.map(({ stride, channels }) => `${channels} channels at stride ${stride}`);
  return [
    ...(read ?? [proposal ? 'read       ONNX' : 'read       ONNX with its manifest']),
    ...(network !== undefined && !found ? [`network    ${network}`] : []),
    `images     ${input.width}×${input.height} ${input.channels}, value · ${Number(input.scale.toPrecision(4))} − [${input.mean}], divided by [${input.std}]`,
    `features   ${features.size}${shown.length > 0 ? `; maps: ${shown.join(', ')}` : '; no maps'}`,
    ...(cost === undefined ? [] : [`time       ${cost} times that of the embedded base`]),
    `licence    ${licence}`,
    `written    ${file} (${(bytes / 1e6).toFixed(1)} MB) and its manifest`,
    `To use it, set model.base to ${name} and train a head for it: qc-agent models refit`,
  ];
}

function listed(names: readonly string[]): string {
  const more = names.length - maxListed;
  return `${names.slice(0, maxListed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function three(text: string): Three {
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (values.length !== 3 || !values.every(Number.isFinite))
    throw new InvalidArgumentError('three numbers are needed, for example 0.485,0.456,0.406.');
  return values as Three;
}

function threePositive(text: string): Three {
  const values = three(text);
  if (!values.every((value) => value > 0))
    throw new InvalidArgumentError('three numbers above 0 are needed.');
  return values;
}

export function imageSize(text: string): NonNullable<Options['size']> {
  const [, width, height = width] = /^(\d{2,4})(?:[x×](\d{2,4}))?$/.exec(text) ?? [];
  const size = { width: Number(width), height: Number(height) };
  if (![size.width, size.height].every((pixels) => pixels >= 32 && pixels <= 4096))
    throw new InvalidArgumentError('a size from 32 to 4096 pixels is needed, for example 224 or 320x256.');
  return size;
}
