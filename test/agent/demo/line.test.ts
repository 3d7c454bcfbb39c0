import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { openLine } from '../../../agent/demo/line.ts';
import { until } from '../../rigs/until.ts';
import { nodeAvPictures } from './rtsp/clients.ts';

const small = { width: 320, height: 240, partsPerMinute: 240, seed: 3 };

/** Whether a process runs; a zombie process does not. */
function runs(pid: number): boolean {
  if (!existsSync('/proc/self/stat')) {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  }
  return existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

test('shows moving parts, reports their true labels, and ends when closed', async () => {
  let pid: number;
  {
    await using line = await openLine({ ...small, user: 'demo', password: 'secret' });
    pid = line.pid;
    const told: number[] = [];
    line.onTruth(({ serial }) => told.push(serial));
    const url = line.url.replace('//', '//demo:secret@');
    const pictures = await nodeAvPictures(url, 'tcp', ({ length }) => length === 10);
    expect(new Set(pictures.map(({ md5 }) => md5)).size).toBe(10);
    await until(() => told.length >= 3, { what: 'three parts' });
    expect(line.truths.map(({ serial }) => serial).slice(0, 3)).toEqual([1, 2, 3]);
    for (const { enteredAt, centredAt, leftAt } of line.truths) {
      expect(enteredAt).toBeLessThan(centredAt);
      expect(centredAt).toBeLessThan(leftAt);
      expect(Math.abs(centredAt - Date.now())).toBeLessThan(60_000);
    }
  }
  expect(runs(pid)).toBe(false);
});

test('can be stopped, started, resized and frozen', async () => {
  await using line = await openLine(small);
  const first = () => nodeAvPictures(line.url, 'tcp', ({ length }) => length >= 1);
  expect(await first()).toMatchObject([{ width: 320, height: 240 }]);
  await line.stop();
  await expect(first()).rejects.toThrow();
  await line.start();
  await line.resize(400, 300);
  const sized = await nodeAvPictures(
    line.url,
    'tcp',
    (seen) => seen.at(-1)?.width === 400 || seen.length > 50,
  );
  expect(sized.at(-1)).toMatchObject({ width: 400, height: 300 });
  await line.freeze(true);
  const hashes = (await nodeAvPictures(line.url, 'tcp', ({ length }) => length === 6)).map(({ md5 }) => md5);
  expect(new Set(hashes.slice(-4)).size).toBe(1);
  await line.corrupt(0.5, 1);
  await line.stall(true);
  await line.disconnectAll();
});

test('an occupied port is an error, and leaves no process behind', async () => {
  const occupant = createServer();
  occupant.listen(0, '127.0.0.1');
  await once(occupant, 'listening');
  const address = occupant.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  await expect(openLine({ ...small, port })).rejects.toThrow(/EADDRINUSE/);
  occupant.close();
});

test('controls of a closed line reject instead of hanging', async () => {
  const line = await openLine(small);
  await line[Symbol.asyncDispose]();
  await expect(line.stall(true)).rejects.toThrow(/ended/);
});
