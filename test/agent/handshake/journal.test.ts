import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openJobJournal } from '../../../agent/handshake/journal.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const log = pino({ level: 'silent' });

it('contains at the next start the jobs that were open at the end, after any writes in between', async () => {
  await using folder = await tempFolder();
  {
    await using journal = await openJobJournal(folder.path, 'top', log);
    expect(journal.left).toEqual([]);
    for (const jobs of [['a'], ['a', 'b'], ['a', 'b'], [], ['c'], ['c', 'd'], ['d']]) journal.record(jobs);
  }
  await using journal = await openJobJournal(folder.path, 'top', log);
  expect(journal.left).toEqual(['d']);
  // A record without a change, then one with a change: the second is written.
  journal.record(['d']);
  await new Promise(setImmediate);
  journal.record([]);
  await journal[Symbol.asyncDispose]();
  expect(JSON.parse(await readFile(join(folder.path, 'jobs', 'top.json'), 'utf8'))).toEqual({
    schema: 1,
    jobs: [],
  });
});

it('does no harm if it is damaged or cannot be written', async () => {
  await using folder = await tempFolder();
  await mkdir(join(folder.path, 'jobs'));
  await writeFile(join(folder.path, 'jobs', 'top.json'), '{"schema":1,"jobs":');
  await using journal = await openJobJournal(folder.path, 'top', log);
  expect(journal.left).toEqual([]);
  await writeFile(join(folder.path, 'blocked'), '');
  await using blocked = await openJobJournal(join(folder.path, 'blocked'), 'top', log);
  blocked.record(['a']);
});
