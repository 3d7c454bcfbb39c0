/** Command line of the benchmarks: `--help`, and one line without a stack trace for wrong usage. */
import { type ParseArgsConfig, parseArgs } from 'node:util';

/**
 * Reads the arguments of this process. Prints `usage` and ends with 0 for `--help`.
 * Ends with 2 and one line if an argument is wrong.
 */
export function readOptions<T extends ParseArgsConfig>(usage: string, config: T) {
  if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return refuse(`${(error as Error).message.split('. ')[0]} (--help lists the options)`, 2);
  }
}

/** Ends the process with one line that describes the error. */
export function refuse(wrong: string, exitCode: 1 | 2 = 2): never {
  console.error(`error: ${wrong}`);
  process.exit(exitCode);
}
