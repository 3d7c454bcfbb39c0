#!/usr/bin/env -S MALLOC_ARENA_MAX=2 node
/** The command line: each command is a file of its own. */
import { Command } from 'commander';

import { version } from '../config/package.ts';
import { addAudit } from './commands/audit.ts';
import { addBackup, addRestore } from './commands/backup.ts';
import { addBench } from './commands/bench.ts';
import { addCalibrate } from './commands/calibrate.ts';
import { addConfig } from './commands/config.ts';
import { addDataset } from './commands/dataset.ts';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addLatency } from './commands/latency.ts';
import { addModels } from './commands/models.ts';
import { addRun } from './commands/run.ts';
import { exitBecause } from './commands/shell.ts';
import { addToken } from './commands/token.ts';
import { addTrain } from './commands/train.ts';

const program = new Command('qc-agent')
  .description('Quality control beside the line: camera frames in, verdicts out over MQTT.')
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .exitOverride();

// In the order in which the help lists them.
addRun(program);
addDoctor(program);
addLatency(program);
addDemo(program);
addBench(program);
addConfig(program);
addModels(program);
addDataset(program);
addTrain(program);
addBackup(program);
addRestore(program);
addCalibrate(program);
addAudit(program);
addToken(program);

try {
  await program.parseAsync();
} catch (error) {
  exitBecause(error);
}
