/**
 * Gives damaged files, made from a seed, to the readers of hub files: `node dist/test/bench/fuzz-hubs.js --inputs 20000`.
 */
import { fuzz, targets } from '../models/hubs/fuzz.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { readOptions, refuse } from './options.ts';

const usage = `usage: node dist/test/bench/fuzz-hubs.js [options]

  --inputs N      damaged files for each reader (default 20000)
  --seed N        the same seed damages the same bytes (default 1)
  --only TEXT     readers whose name contains it

Readers: ${targets.map(({ name }) => name).join(', ')}`;

const { values } = readOptions(usage, {
  options: {
    inputs: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
  },
});
const [inputs, seed] = [Number(values.inputs), Number(values.seed)];
if (!Number.isInteger(inputs) || inputs < 1 || !Number.isInteger(seed))
  refuse('--inputs and --seed are whole numbers');
const chosen = targets.filter(({ name }) => name.includes(values.only));
if (chosen.length === 0) refuse(`no reader "${values.only}"`);

let failed = false;
for (const target of chosen) {
  await using folder = await tempFolder();
  const started = performance.now();
  const { read, slowestMs, maxMemory, surprises } = await fuzz(target, {
    inputs,
    seed,
    folder: folder.path,
  });
  const seconds = (performance.now() - started) / 1_000;
  const facts = [
    `${inputs} inputs in ${seconds.toFixed(0)} s`,
    `${read} read`,
    `${inputs - read - surprises.length} refused`,
    `slowest ${slowestMs.toFixed(0)} ms`,
    `at most ${(maxMemory / 2 ** 20).toFixed(0)} MB`,
    `${surprises.length} surprises`,
  ];
  console.log(`${target.name.padEnd(20)} ${facts.join(', ')}`);
  for (const surprise of surprises.slice(0, 5)) console.log(surprise);
  failed ||= surprises.length > 0;
}
if (failed) process.exitCode = 1;
