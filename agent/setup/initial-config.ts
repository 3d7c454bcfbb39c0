/** A configuration from a few answers, for `qc-agent init`. */

import { dirname } from 'node:path';
import { type Change, editText } from '../../config/edit.ts';
import type { Environment } from '../../config/environment.ts';
import { loadText } from '../../config/load.ts';
import { ConfigError } from '../../config/problems.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { writeConfigFile } from '../settings/file.ts';
import { templateText } from './template.ts';

export interface InitAnswers {
  readonly station: string;
  /** Address of the camera. */
  readonly camera: string;
  readonly cameraPasswordFile?: string;
  /** Kind of the trigger. */
  readonly trigger: string;
  readonly broker: string;
  /** The first one means a good part. */
  readonly labels: readonly string[];
}

const keys = {
  station: 'station',
  camera: 'cameras.top.url',
  cameraPasswordFile: 'cameras.top.passwordFile',
  trigger: 'cameras.top.trigger',
  broker: 'mqtt.url',
  labels: 'labels',
} as const;

export interface InitialConfig {
  readonly text: string;
  /** What is wrong with an answer; undefined if nothing is. */
  problemOf(answer: keyof InitAnswers): string | undefined;
}

export function initialConfig(
  answers: InitAnswers,
  file = 'agent.yaml',
  env: Environment = {},
): InitialConfig {
  const { station, camera, cameraPasswordFile, trigger, broker, labels } = answers;
  const [good = 'good', ...defects] = labels;
  const change = (key: string, value: unknown): Change => ({ path: key.split('.'), value });
  const text = editText(templateText('station-1', '127.0.0.1', 8080), [
    change('station', station),
    change('cameras.top', {
      url: camera,
      ...(cameraPasswordFile !== undefined && { passwordFile: cameraPasswordFile }),
      trigger: { kind: trigger },
    }),
    change('mqtt.url', broker),
    change('labels.good', [good]),
    ...(defects.length > 0 ? [change('labels.defects', defects)] : []),
  ]);
  return {
    text,
    problemOf(answer) {
      const problem = problemsIn(text, file, env).find(({ key }) => key.startsWith(keys[answer]));
      return problem && `${problem.what} — ${problem.remedy}`;
    },
  };
}

function problemsIn(text: string, file: string, env: Environment): ConfigError['problems'] {
  try {
    loadText({ file, text }, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** @throws ConfigError naming every wrong answer; QcError config-not-writable */
export async function writeInitialConfig(
  file: string,
  answers: InitAnswers,
  env: Environment,
): Promise<void> {
  const { text } = initialConfig(answers, file, env);
  loadText({ file, text }, env);
  await makeFolders(dirname(file));
  await writeConfigFile(file, text);
}
