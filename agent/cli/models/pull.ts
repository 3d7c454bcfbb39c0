/** `qc-agent models pull`: a base from a hub, checked and imported. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../../../config/schema.ts';
import type { PulledBase } from '../../../models/hubs/pull/pull.ts';
import { answerRecorded, type CommandAnswer } from '../answer.ts';
import { acceptLicence, configFile, type FileOptions, json } from '../options.ts';
import { environment, steps, unlessStopped, untilSignal } from '../shell.ts';
import { imageSize, importedLines, warnOfLicence } from './import.ts';

interface Options extends FileOptions {
  readonly name?: string;
  readonly licence?: string;
  readonly acceptLicence?: boolean;
  readonly architecture?: string;
  readonly size?: { readonly width: number; readonly height: number };
  readonly features: 'last' | 'stages';
  readonly from?: string;
  readonly sha256?: string;
}

const examples = `
Addresses: a name of "qc-agent models catalogue", hf:owner/name[@commit][/file], torchvision:resnet50, keras:resnet50,
tfhub:google/resnet-v2/50-feature-vector, ngc:org/team/model:version/file, or https://…

An interrupted download is continued by the next pull. Tokens are taken from the environment (HF_TOKEN, NGC_API_KEY,
KAGGLE_USERNAME and KAGGLE_KEY) or the files of the hubs' own tools; HTTPS_PROXY, HF_ENDPOINT and HF_HUB_OFFLINE apply.

Examples:
  qc-agent models pull resnet50 --config agent.yaml
  qc-agent models pull hf:microsoft/resnet-50 --name microsoft --config agent.yaml
  qc-agent models pull resnet50 --from /media/usb/resnet50-0676ba61.pth --config agent.yaml`;

export function addPull(models: Command): void {
  models
    .command('pull <address>')
    .description('download a base from a hub, check it and import it (docs/bases.md)')
    .addOption(configFile())
    .option('--from <path>', 'local file or folder: checked in the same way, nothing is downloaded')
    .addOption(new Option('--sha256 <digits>', 'expected sha256 of the weights').argParser(sha256))
    .option('--name <name>', 'name for model.base; default: from the address')
    .option('--licence <text>', 'licence of the weights; default: from the hub or the catalogue')
    .addOption(acceptLicence())
    .option('--architecture <name>', 'architecture, if the file does not contain it: resnet50-v1 …')
    .option(
      '--size <pixels>',
      'size of the input images: 224, or 320x256; default: from the files, otherwise 224',
      imageSize,
    )
    .addOption(
      new Option('--features <which>', 'as for qc-agent models import')
        .choices(['last', 'stages'])
        .default('last'),
    )
    .addOption(json('the downloads and the files'))
    .addHelpText('after', examples)
    .action((address: string, options: Options) =>
      // A query may contain a signature.
      answerRecorded(
        options,
        'pull-base',
        {
          address: address.replace(/[?#].*$/, ''),
          from: options.from,
          name: options.name,
          acceptLicence: options.acceptLicence,
        },
        (config) => modelsPullCommand(config, address, options),
      ),
    );
}

/** @throws QcError as `pullBase` */
async function modelsPullCommand(
  { storage }: Pick<Config, 'storage'>,
  address: string,
  options: Options,
): Promise<CommandAnswer> {
  const { pullBase } = await import('../../../models/hubs/pull/pull.ts');
  const { architecture, name, licence, size, features, from, sha256, acceptLicence = false } = options;
  const { onNotice, onProgress } = steps(options.json);
  const signal = untilSignal();
  const work = pullBase(
    {
      address,
      from,
      sha256,
      name,
      architecture,
      licence,
      size,
      features,
      acceptLicence,
      storageDirectory: storage.directory,
      minFreeBytes: storage.minFreeMb * 1e6,
    },
    {
      environment,
      signal,
      onNotice,
      onProgress: (step, done, total) =>
        onProgress(`${step}, MB`, Math.floor(done / 1e6), Math.ceil(total / 1e6)),
    },
  );
  const pulled = await unlessStopped(signal, 'run the command again to continue the download', work);
  warnOfLicence(pulled.manifest.licence);
  const { manifest, file, bytes, found, downloads } = pulled;
  return {
    text: [...downloads.map(downloadLine), ...importedLines(pulled)].join('\n'),
    json: { name: manifest.name, file, bytes, found, manifest, downloads },
  };
}

function downloadLine({ address, bytes, checkedBy }: PulledBase['downloads'][number]): string {
  const how = checkedBy === '' ? 'no hash is published: recorded' : `checked: ${checkedBy}`;
  return `downloaded ${address} (${(bytes / 1e6).toFixed(1)} MB; ${how})`;
}

function sha256(text: string): string {
  const digits = text.toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digits)) throw new InvalidArgumentError('64 hexadecimal digits are needed.');
  return digits;
}
