import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { modelsListCommand } from '../../../agent/cli/models/list.ts';
import { modelsPromoteCommand } from '../../../agent/cli/models/promote.ts';
import { modelsRollbackCommand } from '../../../agent/cli/models/rollback.ts';
import { modelsShowCommand } from '../../../agent/cli/models/show.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { mqttSchema } from '../../../config/mqtt-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { readDecisions } from '../../../models/versions/decisions.ts';
import { openStore } from '../../../models/versions/store.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { addHead } from '../../rigs/heads.ts';

const configFor = (directory: string) => ({
  model: modelSchema.parse({}),
  storage: storageSchema.parse({ directory }),
  mqtt: { ...mqttSchema.parse({}), topic: 'qc/press-3', clientId: 'qc-press-3' },
});

it('lists, shows, promotes and rolls back, and describes the effect on a running agent', async () => {
  await using scratch = await tempFolder();
  const config = configFor(scratch.path);
  const first = await addHead(scratch.path);
  const second = await addHead(scratch.path);
  expect([first, second]).toEqual(['2026-11-23.1', '2026-11-23.2']);

  expect((await modelsPromoteCommand(config, first, { by: 'test' })).json).toEqual({
    active: first,
    before: null,
  });
  const promoted = await modelsPromoteCommand(config, second, { by: 'test' });
  expect(promoted.json).toEqual({ active: second, before: first });
  expect(promoted.text).toContain('until its next start');
  expect(promoted.text).toContain('qc/press-3/command/model');
  expect(promoted.text).toContain(`{"action":"promote","version":"${second}"}`);
  expect((await modelsPromoteCommand(config, second, { by: 'test' })).text).toBe(
    `${second} is active already`,
  );

  const list = await modelsListCommand(config);
  expect(list.text.split('\n')).toEqual([
    expect.stringMatching(/^ {2}2026-11-23\.1 .* good, scratch$/),
    expect.stringMatching(/^\* 2026-11-23\.2 .* good, scratch$/),
    '',
    'bases:',
    expect.stringMatching(/^\* resnet50-embedded .* licence: Apache-2\.0$/),
  ]);
  expect(list.json).toMatchObject([
    { version: first, active: false, licence: 'Apache-2.0' },
    { version: second, active: true, licence: 'Apache-2.0' },
  ]);
  const shown = await modelsShowCommand(config, second);
  expect(shown.text).toMatch(/^version .*\(active\)$/m);
  expect(shown.text).toMatch(/^labels .*good, scratch$/m);
  expect(shown.text).toMatch(/^On the CPU it judges with fp32: .*qc-agent models quantize creates one$/m);

  const back = await modelsRollbackCommand(config, { by: 'test' });
  expect(back.json).toEqual({ active: first, before: second });
  expect(back.text).toContain('{"action":"rollback"}');
  await expect(modelsRollbackCommand(config, { by: 'test' })).rejects.toMatchObject({
    code: 'version-unknown',
  });
});

it('refuses versions that the next start would refuse, and changes nothing', async () => {
  await using scratch = await tempFolder();
  const config = configFor(scratch.path);
  const good = await addHead(scratch.path);
  const foreign = await addHead(scratch.path, { base: '0'.repeat(64) });
  const damaged = await addHead(scratch.path);
  await modelsPromoteCommand(config, good, { by: 'test' });
  const file = join(scratch.path, 'models', damaged, 'head.onnx');
  await writeFile(file, (await readFile(file)).subarray(0, 1_000));

  for (const [version, code] of [
    ['2020-01-01.1', 'version-unknown'],
    ['../../etc', 'version-unknown'],
    [foreign, 'head-base-mismatch'],
    [damaged, 'head-damaged'],
  ] as const) {
    await expect(modelsPromoteCommand(config, version, { by: 'test' })).rejects.toMatchObject({ code });
  }
  expect(await (await openStore(scratch.path)).active()).toBe(good);
  expect((await modelsListCommand(config)).text).toMatch(new RegExp(`^  ${damaged} +DAMAGED: .*sha256`, 'm'));
});

it('reports that there is no version, and makes no folder', async () => {
  await using scratch = await tempFolder();
  const config = configFor(join(scratch.path, 'nowhere'));
  expect(await modelsListCommand(config)).toMatchObject({
    text: expect.stringContaining('no version'),
    json: [],
  });
  await expect(readFile(join(scratch.path, 'nowhere'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('refuses a version that failed the quality gate; an engineer overrides it with a reason, which is recorded', async () => {
  await using scratch = await tempFolder();
  const config = configFor(scratch.path);
  const active = await addHead(scratch.path);
  await modelsPromoteCommand(config, active, { by: 'anna' });
  const worse = await addHead(scratch.path, {
    training: { allowed: false, gate: 'it is worse: 3 lost, 1 won', against: active },
  });
  await expect(modelsPromoteCommand(config, worse, { by: 'anna' })).rejects.toMatchObject({
    code: 'gate-refused',
    message: expect.stringContaining('3 lost, 1 won'),
  });
  await modelsPromoteCommand(config, worse, { by: 'anna', override: 'the good parts changed' });
  // Its gate compared it with a head that is no longer active.
  const late = await addHead(scratch.path, { training: { allowed: true, gate: 'better', against: active } });
  await expect(modelsPromoteCommand(config, late, { by: 'anna' })).rejects.toMatchObject({
    code: 'gate-refused',
    message: expect.stringContaining(`compared with ${active}`),
  });
  // A version that was active before may become active again.
  await modelsPromoteCommand(config, active, { by: 'bert' });
  await modelsRollbackCommand(config, { by: 'bert' });
  expect(await readDecisions(scratch.path)).toMatchObject([
    { by: 'anna', version: active, action: 'promote' },
    { by: 'anna', version: worse, action: 'override', reason: 'the good parts changed' },
    { by: 'bert', version: active, action: 'promote' },
    { by: 'bert', version: worse, action: 'rollback' },
  ]);
});
