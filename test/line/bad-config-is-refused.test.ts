import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { badConfigs } from '../config/bad-configs.ts';
import { startAgent } from '../rigs/plant-agent.ts';

/** Some of the cases that the tests of the configuration cover in detail, one of each kind. */
const chosen = [
  'a mistyped key',
  'two cameras of one name',
  'leave above enter',
  'a missing authority',
  'a number that is none of the choices',
  'a quote never closed',
];
const handful = badConfigs.filter(({ kind }) => chosen.includes(kind));

/** The cases match a whole message; here the message is part of a longer output. */
function within(pattern: RegExp) {
  return new RegExp(pattern.source.replace(/^\^|\$$/g, ''));
}

describe('bad config is refused', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qc-bad-config-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function run(yaml: string) {
    // The table uses this file name.
    const file = join(folder, 'config.yaml');
    await writeFile(file, yaml);
    await using agent = startAgent(['run', '--config', file], { cwd: folder });
    const { code } = await agent.exited;
    return { file, code, stdout: agent.stdout, stderr: agent.stderr };
  }

  it('the chosen cases exist', () => expect(handful).toHaveLength(chosen.length));

  it.each(handful)(
    '$kind: exit 2, naming line, key and remedy',
    async ({ yaml, line, key, what, remedy }) => {
      const { file, code, stdout, stderr } = await run(yaml);
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).toContain(`${file}:${line}:`);
      expect(stderr).toContain(key);
      expect(stderr).toMatch(within(what));
      expect(stderr).toMatch(within(remedy));
      expect(stderr).not.toContain('    at ');
    },
  );

  it('no file: exit 2 and its name', async () => {
    await using agent = startAgent(['run', '--config', join(folder, 'nowhere.yaml')]);
    expect((await agent.exited).code).toBe(2);
    expect(agent.stderr).toContain('nowhere.yaml');
  });

  it('no --config, and an unknown command: exit 2 and a reference to the help', async () => {
    for (const args of [['run'], ['rnu']]) {
      await using agent = startAgent(args);
      expect((await agent.exited).code).toBe(2);
      expect(agent.stderr).toContain('--help');
    }
  });

  it('an occupied port: exit 1 with the port, and no process remains', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      const { code, stderr } = await run(
        `station: s\ncameras:\n  top: {url: rtsp://127.0.0.1:1/a}\nhttp: {port: ${port}}\n`,
      );
      expect(code).toBe(1);
      expect(stderr).toContain(`port ${port}`);
      expect(stderr).toContain('http.port');
    } finally {
      other.close();
    }
  });
});
