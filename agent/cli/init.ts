/** `qc-agent init`: writes a configuration from a few answers. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';

import { QcError } from '../../config/errors.ts';
import { type InitAnswers, initialConfig, writeInitialConfig } from '../setup/initial-config.ts';
import { stationName } from './guide.ts';
import { ask, environment, note, print } from './shell.ts';

interface InitOptions extends Partial<InitAnswers> {
  readonly config: string;
  readonly yes?: boolean;
}

export function addInit(program: Command): void {
  program
    .command('init')
    .description('write a configuration for a new station; asks for what is not given')
    .addOption(new Option('-c, --config <file>', 'the YAML file to write').default('agent.yaml'))
    .option('--station <name>', 'name of the station')
    .option('--camera <url>', 'rtsp://user@host/path, or file:FOLDER to use images')
    .option('--camera-password-file <file>', 'file with the password of the camera')
    .addOption(
      new Option('--trigger <kind>', 'what makes a part').choices(['presence', 'command', 'continuous']),
    )
    .option('--broker <url>', 'mqtt://host:1883 or mqtts://host:8883')
    .option('--labels <list>', 'labels of parts, the good one first, such as good,scratch', labelList)
    .option('-y, --yes', 'ask nothing; use defaults for what is not given')
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent init\n  qc-agent init --camera rtsp://inspector@10.0.0.7/stream1 --station press-3 --broker mqtt://10.0.0.2:1883 --labels good,scratch --yes',
    )
    .action(async ({ config, yes, ...given }: InitOptions) => {
      const file = resolve(config);
      if (existsSync(file)) throw new QcError('setup-finished', `${file} exists already`);
      const answers = await answersOf(given, yes === true);
      await writeInitialConfig(file, answers, environment);
      print(`${file} is written.\nNext: qc-agent doctor --config ${config}`);
    });
}

const defaults = {
  trigger: 'presence',
  broker: 'mqtt://127.0.0.1:1883',
  labels: ['good'],
} as const;

async function answersOf(given: Partial<InitAnswers>, isQuiet: boolean): Promise<InitAnswers> {
  const question = async (what: string, standard: string, isValid: (text: string) => boolean) => {
    for (;;) {
      const text = await ask(`${what} [${standard}]: `);
      if (text === undefined) return standard;
      const answer = text.trim() || standard;
      if (isValid(answer)) return answer;
    }
  };
  /** Asks again until the schema accepts the answer; says what is wrong. */
  async function answer(key: keyof InitAnswers, what: string, standard: string): Promise<string> {
    const own = given[key];
    if (own !== undefined) return String(own);
    if (isQuiet) return standard;
    return question(what, standard, (text) => {
      const problem = initialConfig({
        ...quiet(given),
        [key]: key === 'labels' ? labelList(text) : text,
      }).problemOf(key);
      if (problem) note(problem);
      return problem === undefined;
    });
  }
  const station = await answer('station', 'Name of the station', stationName());
  const camera = await answer('camera', 'Camera (rtsp://user@host/path, or file:FOLDER)', '');
  if (camera === '') {
    throw new QcError('config-invalid', 'a camera is needed', { remedy: 'give its address with --camera' });
  }
  const trigger = await answer(
    'trigger',
    'What makes a part: presence, command or continuous',
    defaults.trigger,
  );
  const broker = await answer('broker', 'Broker', defaults.broker);
  const labels = given.labels ?? labelList(await answer('labels', 'Labels, the good one first', 'good'));
  return { ...given, station, camera, trigger, broker, labels };
}

const quiet = (given: Partial<InitAnswers>): InitAnswers => ({
  station: stationName(),
  camera: 'rtsp://camera/stream',
  ...defaults,
  ...given,
});

function labelList(text: string): readonly string[] {
  const labels = text.split(',').map((label) => label.trim());
  if (labels.some((label) => label === ''))
    throw new InvalidArgumentError('give labels with commas between them.');
  return labels;
}
