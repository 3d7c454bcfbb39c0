#!/usr/bin/env -S MALLOC_ARENA_MAX=2 node
/** The command line: each command has its own file. */
import { Command } from 'commander';

import { version } from '../config/package.ts';
import { addAdapt } from './cli/adapt.ts';
import { addAudit } from './cli/audit.ts';
import { addBackup } from './cli/backup.ts';
import { addBench } from './cli/bench.ts';
import { addCalibrate } from './cli/calibrate.ts';
import { addChallenge } from './cli/challenge.ts';
import { addConfig } from './cli/config.ts';
import { addDataset } from './cli/dataset.ts';
import { addDemo } from './cli/demo.ts';
import { addDoctor } from './cli/doctor.ts';
import { addInit } from './cli/init.ts';
import { addLatency } from './cli/latency.ts';
import { addModels } from './cli/models.ts';
import { addRestore } from './cli/restore.ts';
import { addRun } from './cli/run.ts';
import { addSetup } from './cli/setup.ts';
import { exitBecause } from './cli/shell.ts';
import { addStudy } from './cli/study.ts';
import { addToken } from './cli/token.ts';
import { addTrain } from './cli/train.ts';

const program = new Command('qc-agent')
  .description('Quality control for a production line: camera frames in, verdicts out over MQTT.')
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .exitOverride();

// In the order of the help text.
addSetup(program);
addInit(program);
addRun(program);
addDoctor(program);
addLatency(program);
addDemo(program);
addBench(program);
addConfig(program);
addModels(program);
addDataset(program);
addTrain(program);
addStudy(program);
addAdapt(program);
addBackup(program);
addRestore(program);
addCalibrate(program);
addChallenge(program);
addAudit(program);
addToken(program);

try {
  await program.parseAsync();
} catch (error) {
  exitBecause(error);
}
