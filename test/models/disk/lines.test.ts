import { once } from 'node:events';
import { createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readJournal } from '../../../calibration/dataset/journal.ts';
import { readLines, splitLines } from '../../../models/disk/lines.ts';
import { readDecisions, recordDecision } from '../../../models/versions/decisions.ts';
import { tempFolder } from '../temp-folder.ts';

const textOf = ({ lines }: { lines: readonly (Buffer | undefined)[] }) =>
  lines.map((line) => line?.toString('utf8'));

it('returns complete lines, and their total length', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'lines');
  expect(await readLines(file)).toEqual({ lines: [], length: 0, size: 0 });
  writeFileSync(file, 'one\n\nthree, longer\nfour\nhalf');
  const read = await readLines(file, 5);
  expect(textOf(read)).toEqual(['one', '', undefined, 'four']);
  expect([read.length, read.size]).toEqual([24, 28]);
  expect(splitLines(Buffer.from('one\n\nthree, longer\nfour\nhalf'), 5)).toEqual(read);
});

it('omits a line above the maximum length, with little memory, and reads the next one', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'labels.jsonl');
  const undo = `${JSON.stringify({ schema: 1, at: '2026-11-30T10:00:00Z', by: 'anna', kind: 'undo' })}\n`;
  const out = createWriteStream(file);
  out.write(undo);
  const piece = Buffer.alloc(8 << 20, 'x');
  // 600 MB: the maximum string length of V8 is 512 MB.
  for (let n = 0; n < 75; n++) if (!out.write(piece)) await once(out, 'drain');
  out.end(`\n${undo}`);
  await once(out, 'close');
  const before = process.memoryUsage().rss;
  const notices: string[] = [];
  const { changes, torn } = await readJournal(file, (text) => notices.push(text));
  expect([changes.length, torn]).toEqual([2, 0]);
  expect(notices).toEqual([expect.stringContaining('line 2 is longer than 16 MB and left out')]);
  expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(300);
});

it('records a decision after an incomplete line of an earlier attempt', async () => {
  await using folder = await tempFolder();
  const decide = (version: string) => recordDecision(folder.path, { by: 'anna', version, action: 'promote' });
  await decide('2026-11-30.1');
  writeFileSync(join(folder.path, 'models', 'decisions.jsonl'), '{"schema":1,"at', { flag: 'a' });
  await decide('2026-11-30.2');
  expect((await readDecisions(folder.path)).map(({ version }) => version)).toEqual([
    '2026-11-30.1',
    '2026-11-30.2',
  ]);
});
