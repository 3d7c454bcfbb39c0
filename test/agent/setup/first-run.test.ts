import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createToken } from '../../../agent/http/tokens.ts';
import { runFirstSetup } from '../../../agent/setup/first-run.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const options = { env: {}, port: 0, station: 'press-3', log: pino({ level: 'silent' }) };

it('adds its token to the tokens that exist', async () => {
  await using folder = await tempFolder();
  const tokens = join(folder.path, 'tokens');
  const anna = createToken('anna', 'engineer');
  // Without a line end, and readable by others.
  await writeFile(tokens, `# tokens of the plant\n${anna.line}`, { mode: 0o644 });
  const stop = new AbortController();
  let served: { url: string; token: string | undefined } | undefined;
  const run = runFirstSetup(
    {
      ...options,
      file: join(folder.path, 'agent.yaml'),
      host: '0.0.0.0',
      onServed(url, token) {
        served = { url, token };
      },
    },
    stop.signal,
  );
  const ended = expect(run).rejects.toThrow('stopped');
  await expect.poll(() => served, { timeout: 10_000 }).toBeDefined();
  for (const token of [anna.token, served?.token]) {
    const answer = await fetch(`${served?.url}/api/v1/setup`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(200);
  }
  expect((await readFile(tokens, 'utf8')).split('\n')).toEqual([
    '# tokens of the plant',
    anna.line,
    expect.stringMatching(/^setup engineer [0-9a-f]{64}$/),
    '',
  ]);
  expect((await stat(tokens)).mode & 0o777).toBe(0o600);
  stop.abort(new Error('stopped'));
  await ended;
});

it('stops after a signal that came during its start', async () => {
  await using folder = await tempFolder();
  const stop = new AbortController();
  const run = runFirstSetup(
    {
      ...options,
      file: join(folder.path, 'agent.yaml'),
      host: '127.0.0.1',
      onServed: () => stop.abort(new Error('stopped')),
    },
    stop.signal,
  );
  await expect(run).rejects.toThrow('stopped');
});
