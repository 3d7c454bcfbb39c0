#!/usr/bin/env node
/** The command line, signals and exit codes: the only user of `process`. */
import { once } from 'node:events';
import { userInfo } from 'node:os';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';

import {
  type DatasetCommandDeps,
  datasetExportCommand,
  datasetImportCommand,
  datasetStatsCommand,
} from '../calibration/dataset/commands.ts';
import { standBack } from '../calibration/jobs/stand-back.ts';
import { configCheckCommand, configReferenceCommand, configSchemaCommand } from '../config/commands.ts';
import { QcError } from '../config/errors.ts';
import { loadConfig } from '../config/load.ts';
import { version } from '../config/package.ts';
import { type Config, type TrainingConfig, trainingSchema } from '../config/schema.ts';
import {
  type CommandAnswer,
  modelsExportCommand,
  modelsListCommand,
  modelsPromoteCommand,
  modelsRollbackCommand,
  modelsShowCommand,
} from '../models/commands.ts';
import { requireReadable } from '../models/layout.ts';
import { openAgent } from './agent.ts';
import { auditCommand, auditVerifyCommand, recordedCommand, sinceOf } from './audit/cli.ts';
import { outcomes } from './audit/entry.ts';
import { type BackupDeps, backupCommand } from './backup/backup.ts';
import { checkBackupCommand, restoreCommand } from './backup/restore.ts';
import { calibrateCommand } from './calibration/command.ts';
import { runDemo } from './demo/demo.ts';
import { runDoctor } from './doctor/doctor.ts';
import { createToken } from './http/tokens.ts';
import { openLog } from './lifecycle/log.ts';
import { openServiceManager } from './lifecycle/systemd.ts';

/** A first SIGTERM or Ctrl-C ends the work in order, a second one at once. */
function untilSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort(new Error(name));
    });
  }
  return controller.signal;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

const configFile = () => new Option('-c, --config <file>', 'the YAML file').makeOptionMandatory();
const json = (what: string) => new Option('--json', `print ${what} as JSON`);

const program = new Command('qc-agent')
  .description('Quality control beside the line: camera frames in, verdicts out over MQTT.')
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .exitOverride();

program
  .command('run')
  .description('inspect until SIGTERM or Ctrl-C')
  .addOption(configFile())
  .addHelpText('after', '\nExample:\n  qc-agent run --config /etc/qc-agent/agent.yaml')
  .action(async (options: { config: string }) => {
    const signal = untilSignal();
    const warnings: string[] = [];
    const config = loadConfig(options.config, process.env, (warning) => warnings.push(warning));
    const log = openLog(config.log, process.stderr.isTTY === true, { station: config.station });
    for (const warning of warnings) log.warn(warning);
    await using manager = openServiceManager(process.env, { log, pid: process.pid });
    manager.status('starting');
    await using agent = await openAgent(config, { log, version });
    agent.station.onChange(() => manager.status(agent.station.line));
    manager.status(agent.station.line);
    manager.ready(() => agent.liveness.hang());
    await Promise.race([aborted(signal), agent.failed]);
    manager.stopping();
    log.info('stopping: what was begun is finished and delivered first');
  });

program
  .command('doctor')
  .description('check config, clock, disk, port, model, broker and cameras; exit 1 if one fails')
  .addOption(configFile())
  .addOption(json('the findings'))
  .addHelpText('after', '\nExample:\n  qc-agent doctor --config agent.yaml')
  .action(async (options: { config: string; json?: boolean }) => {
    const signal = untilSignal();
    const tell = options.json ? () => undefined : print;
    const findings = await runDoctor(options.config, process.env, { signal, tell });
    if (options.json) print(JSON.stringify(findings, null, 2));
    // A check that hangs (a dead network disk) must not keep the command from ending.
    setTimeout(() => process.exit(), 5_000).unref();
    if (signal.aborted || findings.some((finding) => !finding.ok)) process.exitCode = 1;
  });

program
  .command('demo')
  .description('a whole pretend line on this machine: camera, broker, agent and page')
  .option('--seconds <n>', 'end by itself after so many seconds, with a summary', positive)
  .option('--parts-per-minute <n>', 'how fast the line runs', positive, 50)
  .option('--seed <n>', 'which parts are drawn', positive, 1)
  .option('--directory <dir>', 'where the demo keeps its head and its config', 'data/demo')
  .addOption(json('the summary'))
  .addHelpText('after', '\nExamples:\n  qc-agent demo\n  qc-agent demo --seconds 60 --json')
  .action(async (options) => {
    const summary = await runDemo({
      ...options,
      version,
      terminal: process.stderr.isTTY === true,
      print: options.json ? (text: string) => process.stderr.write(`${text}\n`) : print,
      signal: untilSignal(),
    });
    if (options.json) print(JSON.stringify(summary));
    if (summary.judged === 0) process.exitCode = 1;
  });

const config = program
  .command('config')
  .description('the settings: check a file, print the schema or the reference');
config
  .command('check <file>')
  .description('say everything that is wrong with a config file')
  .action((file: string) => print(configCheckCommand(file, process.env)));
config
  .command('schema')
  .description('the JSON Schema of the config file, for editors')
  .action(() => print(configSchemaCommand()));
config
  .command('reference')
  .description('every setting, with default, unit and meaning')
  .action(() => print(configReferenceCommand()));

const models = program
  .command('models')
  .description('the versions of the head on disk: look at them, choose which one judges');
interface FileOptions {
  readonly config: string;
  readonly json?: boolean;
}
async function answer(
  { config, json }: FileOptions,
  command: (config: Config) => Promise<CommandAnswer>,
): Promise<void> {
  const { text, json: value } = await command(loadConfig(config, process.env));
  print(json ? JSON.stringify(value, null, 2) : text);
}
/** As `answer`, and recorded in the audit log, however it ends. */
function answerRecorded(
  options: FileOptions,
  action: string,
  what: object,
  command: (config: Config) => Promise<CommandAnswer>,
): Promise<void> {
  const facts = { user: whoami(), action, what };
  return answer(options, async (config) => {
    await requireReadable(config.storage.directory);
    return recordedCommand(config, facts, () => command(config), warn);
  });
}
const warn = (text: string) => void process.stderr.write(`warning: ${text}\n`);
models
  .command('list')
  .description('every version, oldest first; * marks the active one')
  .addOption(configFile())
  .addOption(json('the versions'))
  .addHelpText('after', '\nExample:\n  qc-agent models list --config agent.yaml')
  .action((options: FileOptions) => answer(options, modelsListCommand));
models
  .command('show <version>')
  .description('labels, base, thresholds and training of one version')
  .addOption(configFile())
  .addOption(json('the manifest'))
  .addHelpText('after', '\nExample:\n  qc-agent models show 2026-11-23.2 --config agent.yaml')
  .action((version: string, options: FileOptions) =>
    answer(options, (config) => modelsShowCommand(config, version)),
  );
models
  .command('promote <version>')
  .description('make a version the active one, from the next start on')
  .addOption(configFile())
  .addOption(json('what is active now'))
  .addHelpText('after', '\nExample:\n  qc-agent models promote 2026-11-23.2 --config agent.yaml')
  .option('--override <reason>', 'although its gate refuses it; the reason is recorded')
  .action((version: string, options: FileOptions & { override?: string }) =>
    answerRecorded(options, 'promote', { version, override: options.override }, (config) =>
      modelsPromoteCommand(config, version, { by: whoami(), override: options.override }),
    ),
  );
models
  .command('rollback')
  .description('back to the version that was active before, from the next start on')
  .addOption(configFile())
  .addOption(json('what is active now'))
  .addHelpText('after', '\nExample:\n  qc-agent models rollback --config agent.yaml')
  .action((options: FileOptions) =>
    answerRecorded(options, 'rollback', {}, (config) => modelsRollbackCommand(config, { by: whoami() })),
  );

models
  .command('export <version> <file>')
  .description('write base and head as one plain ONNX file that other runtimes read')
  .addOption(configFile())
  .addOption(json('what was written'))
  .addHelpText('after', '\nExample:\n  qc-agent models export 2026-11-23.2 press-3.onnx --config agent.yaml')
  .action((version: string, file: string, options: FileOptions) =>
    answer(options, (config) => modelsExportCommand(config, version, file)),
  );

models
  .command('quantize')
  .description(
    'make an 8-bit variant of the base from your own frames: several times as fast on a CPU, held to a gate',
  )
  .addOption(configFile())
  .option('--base <name>', 'which base; default: model.base of the config')
  .addOption(
    new Option('--method <name>', 'how ranges are chosen; best tries all')
      .choices(['best', 'minmax', 'percentile', 'entropy'])
      .default('best'),
  )
  .option('--frames <n>', 'at most so many pictures, evenly over the labels', positive, 128)
  .addOption(json('what was found and why it passed or was refused'))
  .addHelpText(
    'after',
    '\nWithout labelled frames it takes drawn parts. Exit 1 where the gate refuses it; the float base always stays.\n\nExamples:\n  qc-agent models quantize --config agent.yaml\n  qc-agent models quantize --config agent.yaml --method entropy --json',
  )
  .action(async (options) => {
    standBack(process.pid);
    const { modelsQuantizeCommand } = await import('../calibration/commands.ts');
    const { drawSamples, samplesPerRound } = await import('./demo/samples.ts');
    const signal = untilSignal();
    const drawn = (count: number) => drawSamples({ perLabel: Math.ceil(count / samplesPerRound), seed: 1 });
    const config = loadConfig(options.config, process.env);
    const work = () => modelsQuantizeCommand(config, options, { signal, drawn, ...steps(options.json) });
    const facts = { user: whoami(), action: 'quantize', what: { base: options.base ?? config.model.base } };
    const { text, json, refused } = await recordedCommand(config, facts, work, warn).catch((error) => {
      if (signal.aborted) throw new CommanderError(1, 'qc.stopped', 'stopped: nothing was changed');
      throw error;
    });
    print(options.json ? JSON.stringify(json, null, 2) : text);
    if (refused) process.exitCode = 1;
  });

const dataset = program
  .command('dataset')
  .description('the labelled frames that heads are trained on: bring in, count, take out');
function datasetDeps(json: boolean | undefined): DatasetCommandDeps {
  return {
    onNotice: (text) => process.stderr.write(`warning: ${text}\n`),
    signal: untilSignal(),
    ...(!json && process.stderr.isTTY && { onProgress: showProgress }),
  };
}
dataset
  .command('import <path>')
  .description('take in a folder or .zip with one folder of pictures (png, jpg, bmp, webp) for each label')
  .addOption(configFile())
  .addOption(json('what was taken in and what was skipped'))
  .addHelpText('after', '\nExample:\n  qc-agent dataset import ./pictures --config agent.yaml')
  .action((path: string, options: FileOptions) =>
    answerRecorded(options, 'import', { path }, (config) =>
      datasetImportCommand(config, path, datasetDeps(options.json)),
    ),
  );
dataset
  .command('stats')
  .description('labels and how many frames each has')
  .addOption(configFile())
  .addOption(json('the counts'))
  .addHelpText('after', '\nExample:\n  qc-agent dataset stats --config agent.yaml')
  .action((options: FileOptions) =>
    answer(options, (config) => datasetStatsCommand(config, datasetDeps(options.json))),
  );
dataset
  .command('doctor')
  .description('what is wrong with the labelled frames, and what to do; exit 1 where training is impossible')
  .addOption(configFile())
  .addOption(json('the findings'))
  .addHelpText('after', '\nExample:\n  qc-agent dataset doctor --config agent.yaml')
  .action(async (options: FileOptions) => {
    standBack(process.pid);
    const { datasetDoctorCommand } = await import('../calibration/commands.ts');
    const deps = { onProgress: () => undefined, ...datasetDeps(options.json) };
    await answer(options, async (config) => {
      const examined = await datasetDoctorCommand(config, deps);
      if (examined.impossible) process.exitCode = 1;
      return examined;
    });
  });
dataset
  .command('export <target>')
  .description('write all of it to a new folder or .zip that other tools, and import, can read')
  .addOption(configFile())
  .addOption(json('what was written'))
  .addHelpText('after', '\nExample:\n  qc-agent dataset export press-3.zip --config agent.yaml')
  .action((target: string, options: FileOptions) =>
    answer(options, (config) => datasetExportCommand(config, target, datasetDeps(options.json))),
  );

program
  .command('train')
  .description('train a head on the dataset and judge it on parts it had not seen; the active head stays')
  .addOption(configFile())
  .option('--promote', 'make it the active head if the gate lets it; exit 1 where it does not')
  .option('--seed <n>', 'the same seed, the same head', positive, 1)
  .addOption(
    new Option(
      '--views <set>',
      'how parts may lie: mirrored, or also turned by quarters; default: what proves best',
    ).choices(['none', 'flips', 'turns']),
  )
  .option(
    '--augment <names>',
    'what else may change: light, blur, crop, rotate, with commas between',
    augmentations,
  )
  .option('--hidden <units>', 'a hidden layer of so many units; 0: a linear head', wholeNumber)
  .option('--escape-rate <share>', 'bad parts that may pass, as a share', share)
  .option('--false-reject-rate <share>', 'good parts that may fail, as a share', share)
  .addOption(json('the figures'))
  .addHelpText(
    'after',
    '\nExamples:\n  qc-agent train --config agent.yaml\n  qc-agent train --config agent.yaml --promote --escape-rate 0.02 --json',
  )
  .action(async (options) => {
    standBack(process.pid);
    // TensorFlow.js takes a third of a second to load: only where it is used.
    const { trainCommand } = await import('../calibration/commands.ts');
    const signal = untilSignal();
    const config = loadConfig(options.config, process.env);
    await requireReadable(config.storage.directory);
    const promote = options.promote === true;
    const train = () =>
      trainCommand(
        config,
        {
          promote,
          seed: options.seed,
          training: given({
            views: options.views,
            augment: options.augment,
            hidden: options.hidden,
            escapeRate: options.escapeRate,
            falseRejectRate: options.falseRejectRate,
          }),
          by: whoami(),
        },
        { signal, ...steps(options.json) },
      );
    const facts = { user: whoami(), action: 'train', what: { promote } };
    const { text, json, refused } = await recordedCommand(config, facts, train, warn).catch((error) => {
      if (signal.aborted) throw new CommanderError(1, 'qc.stopped', 'stopped: no candidate was made');
      throw error;
    });
    print(options.json ? JSON.stringify(json, null, 2) : text);
    if (refused) process.exitCode = 1;
  });

const backupDeps = (json: boolean | undefined): BackupDeps => ({
  version,
  onNotice: (text) => process.stderr.write(`warning: ${text}\n`),
  signal: untilSignal(),
  ...(!json && process.stderr.isTTY && { onProgress: showProgress }),
});
/** A first Ctrl-C is no defect. */
async function unlessStopped<T>({ signal }: BackupDeps, work: Promise<T>): Promise<T> {
  return work.catch((error) => {
    if (signal.aborted) throw new CommanderError(1, 'qc.stopped', 'stopped: nothing was kept or changed');
    throw error;
  });
}
program
  .command('backup <file>')
  .description('write dataset, models, bases, recipe and config into one zip, also while the agent runs')
  .addOption(configFile())
  .addOption(json('what was saved'))
  .addHelpText('after', '\nExample:\n  qc-agent backup /mnt/nas/press-3.zip --config agent.yaml')
  .action((target: string, options: FileOptions) => {
    const deps = backupDeps(options.json);
    return answer(options, (config) =>
      unlessStopped(deps, backupCommand(config, { configFile: options.config, target }, deps)),
    );
  });
program
  .command('restore <file>')
  .description('put a backup in the place of dataset, models, bases and recipe, while no agent runs')
  .addOption(configFile())
  .option('--check', 'only prove that the backup is whole; change nothing')
  .addOption(json('what was restored'))
  .addHelpText(
    'after',
    '\nExamples:\n  qc-agent restore press-3.zip --check --config agent.yaml\n  qc-agent restore press-3.zip --config agent.yaml\n  unzip -p press-3.zip config.yaml > agent.yaml',
  )
  .action((file: string, options: FileOptions & { check?: boolean }) => {
    const deps = backupDeps(options.json);
    const facts = { user: whoami(), action: 'restore', what: { file } };
    // Not `answerRecorded`: over what a newer agent wrote, this is the way back.
    return answer(options, (config) =>
      unlessStopped(
        deps,
        options.check
          ? checkBackupCommand(file, deps)
          : recordedCommand(config, facts, () => restoreCommand(config, file, deps), warn),
      ),
    );
  });

program
  .command('calibrate')
  .description('switch a running agent to calibration and back, or say how far calibration is')
  .addArgument(new Argument('[mode]', 'nothing: say how far it is').choices(['on', 'off']))
  .addOption(configFile())
  .option('--url <url>', 'where the agent is; default: http.host and http.port of the config')
  .option('--token-file <file>', 'file with the token, where the agent wants one')
  .addOption(json('the answer'))
  .addHelpText(
    'after',
    '\nExamples:\n  qc-agent calibrate on --config agent.yaml\n  qc-agent calibrate --config agent.yaml --json\n  qc-agent calibrate off --config agent.yaml',
  )
  .action((mode: 'on' | 'off' | undefined, options: FileOptions & { url?: string; tokenFile?: string }) =>
    answer(options, (config) => calibrateCommand(config.http, mode, options)),
  );

function whoami(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that has no name.
    return 'command line';
  }
}

function augmentations(text: string): string[] {
  const known = trainingSchema.shape.augment.unwrap().safeParse(text.split(',').map((one) => one.trim()));
  if (!known.success) throw new InvalidArgumentError('light, blur, crop and rotate are known.');
  return known.data;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 1_024) {
    throw new InvalidArgumentError('a whole number from 0 to 1024 is needed.');
  }
  return value;
}

/** Without what was not given: the config decides there. */
function given(options: Record<string, unknown>): Partial<TrainingConfig> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function share(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1)) throw new InvalidArgumentError('a share between 0 and 1 is needed.');
  return value;
}

/** Tells on a terminal what is being done and how far it is, and warns anywhere. */
function steps(json: boolean | undefined) {
  const shows = !json && process.stderr.isTTY === true;
  let step = '';
  return {
    onNotice: warn,
    onProgress(now: string, done: number, total: number) {
      if (!shows) return;
      if (now !== step) process.stderr.write(`${now} …\n`);
      step = now;
      showProgress(done, total);
    },
  };
}

let shownAt = 0;
/** One line that is written over, at most ten times a second. */
function showProgress(done: number, total: number): void {
  if (done < total && performance.now() - shownAt < 100) return;
  shownAt = performance.now();
  process.stderr.write(`\r${done} of ${total}${done < total ? '' : '\n'}`);
}

program
  .command('audit')
  .description('who changed what, and what was refused; or whether the log is as it was written')
  .addOption(configFile())
  .option('--since <time>', 'such as 24h, 7d or 2026-11-24T06:00Z')
  .option('--who <name>', 'or how it begins: token:anna, cli:, mqtt:')
  .option('--action <name>', 'such as promote, label, login')
  .addOption(new Option('--outcome <outcome>', 'how it ended').choices([...outcomes]))
  .option('--limit <n>', 'the newest so many', positive, 100)
  .option('--verify', 'follow the chain of hashes through all of it; exit 1 where it does not hold')
  .option('--head <hash>', 'with --verify: the head of an earlier look, which must still be there')
  .addOption(json('the entries, or what was found'))
  .addHelpText(
    'after',
    '\nExamples:\n  qc-agent audit --config agent.yaml --since 7d --action promote\n  qc-agent audit --config agent.yaml --verify',
  )
  .action((options) =>
    answer(options, async (config) => {
      if (!options.verify) {
        const { since, who, action, outcome, limit } = options;
        const from = since === undefined ? undefined : sinceOf(since);
        return auditCommand(config, { since: from, who, action, outcome, limit });
      }
      const verified = await auditVerifyCommand(config, options.head);
      if (!verified.whole) process.exitCode = 1;
      return verified;
    }),
  );

program
  .command('token <name>')
  .description('make an access token for the HTTP interface')
  .addOption(
    new Option('--role <role>', 'what it may do')
      .choices(['viewer', 'operator', 'engineer'])
      .default('viewer'),
  )
  .addHelpText('after', '\nExample:\n  qc-agent token grafana --role viewer')
  .action((name: string, options: { role: 'viewer' | 'operator' | 'engineer' }) => {
    const { token, line } = createToken(name, options.role);
    print(
      `The token, shown only now: ${token}\nAdd this line to the file named by http.tokensFile:\n${line}`,
    );
  });

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new InvalidArgumentError('a number above 0 is needed.');
  return value;
}

/** One line for what went wrong, and the exit code of the contract. */
function fail(error: unknown): number {
  if (error instanceof CommanderError && error.code === 'qc.stopped') {
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof QcError) process.stderr.write(`error: ${error.line}\n`);
  else
    process.stderr.write(
      `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
  return error instanceof QcError ? error.exitCode : 1;
}

try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = fail(error);
}
