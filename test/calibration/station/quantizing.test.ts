import { readdir } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createTrainingDesk } from '../../../calibration/station/training.ts';
import { trainingSchema } from '../../../config/training-schema.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { until } from '../../rigs/until.ts';
import { site } from '../site.ts';

it('makes an int8 variant automatically after an accepted training, and not a second time', async () => {
  await using folder = await tempFolder();
  const lines: string[] = [];
  const sink = new Writable({
    write(line, _, done) {
      lines.push(String(line));
      done();
    },
  });
  const config = { ...(await site(folder.path)), training: trainingSchema.parse({ views: 'none' }) };
  await using desk = createTrainingDesk(config, {
    log: pino({ level: 'info' }, sink),
    metrics: { trained: () => undefined },
    onCandidate: async () => undefined,
    promote: async () => undefined,
  });
  const said = (text: string) => lines.some((line) => line.includes(text));
  desk.start({}, 'test');
  await until(() => said('the base has an int8 variant, which is used after the next start'), {
    what: 'an int8 variant',
    timeoutMs: 120_000,
  });
  expect(desk.view).toMatchObject({ state: 'done', error: null });
  expect(await readdir(`${folder.path}/bases`)).toContain('tiny.int8.json');

  desk.start({ seed: 2 }, 'test');
  await until(() => said('an int8 variant already passed') || said('no int8 variant'), {
    what: 'the second training',
    timeoutMs: 120_000,
  });
  expect(said('an int8 variant already passed')).toBe(true);
}, 250_000);
