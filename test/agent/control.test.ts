import { expect, it } from 'vitest';
import { createControl } from '../../agent/control.ts';
import { openBook } from '../../agent/recipes/book.ts';

function control() {
  const asked: unknown[] = [];
  const station = { calibrating: false };
  const saved: boolean[] = [];
  const { require } = openBook({ recipes: {}, cameras: {} });
  const commands = createControl({
    station,
    saveMode: async (calibrating) => void saved.push(calibrating),
    recipes: {
      require: async (recipe) => require(recipe),
      async use(recipe) {
        require(recipe);
        asked.push({ recipe });
      },
    },
    inspections: new Map([
      ['belt', { handshake: undefined }],
      [
        'top',
        {
          handshake: {
            async trigger(request: object) {
              asked.push(request);
              return { jobId: 'job-1' };
            },
            acknowledge: (jobId: string) => void asked.push({ acknowledged: jobId }),
            abort: (jobId: string | undefined) => void asked.push({ aborted: jobId }),
          },
        },
      ],
    ]),
    model: Promise.resolve(),
    challenge: { carryOut: async (command: object) => void asked.push({ challenge: command }) },
    calibration: {
      async promote(version: string) {
        asked.push(version);
      },
      async rollback() {
        asked.push('rollback');
        return { version: '2026-11-23.1' };
      },
      async label(request, by) {
        asked.push({ ...request, by });
        return { id: 'a', outcome: 'added' as const };
      },
    },
  });
  return { asked, station, saved, commands };
}

it('triggers the camera that is named and answers with its job', async () => {
  const { asked, commands } = control();
  expect(await commands.trigger({ camera: 'top', partId: 'A-1' })).toEqual({ jobId: 'job-1' });
  await commands.acknowledge({ camera: 'top', jobId: 'job-1' });
  await commands.abort({ camera: 'top' });
  expect(asked).toEqual([
    { partId: 'A-1', recipe: undefined, requestId: undefined },
    { acknowledged: 'job-1' },
    { aborted: undefined },
  ]);
  await expect(commands.trigger({ camera: 'belt' })).rejects.toMatchObject({ code: 'not-triggered' });
});

it('refuses an unknown camera or recipe and names the known ones', async () => {
  const { asked, commands } = control();
  await expect(commands.trigger({ camera: 'side' })).rejects.toMatchObject({
    code: 'camera-unknown',
    remedy: 'use one of: belt, top',
  });
  await expect(commands.trigger({ camera: 'top', recipe: 'b' })).rejects.toMatchObject({
    code: 'recipe-unknown',
  });
  await expect(commands.recipe({ recipe: 'b' })).rejects.toMatchObject({ code: 'recipe-unknown' });
  expect(asked).toEqual([]);
  expect(await commands.recipe({ recipe: 'default' })).toEqual({});
  expect(asked).toEqual([{ recipe: 'default' }]);
});

it('switches mode and model', async () => {
  const { asked, station, saved, commands } = control();
  await commands.mode({ mode: 'calibration' });
  expect(station.calibrating).toBe(true);
  await commands.mode({ mode: 'inspection' });
  expect(station.calibrating).toBe(false);
  expect(saved).toEqual([true, false]);
  await commands.model({ action: 'promote', version: '2026-11-23.2' });
  await commands.model({ action: 'rollback' });
  expect(asked).toEqual(['2026-11-23.2', 'rollback']);
  await expect(commands.model({ action: 'promote' })).rejects.toMatchObject({ code: 'command-invalid' });
});

it('accepts the true label of a past result, as known at the end of the line', async () => {
  const { asked, commands } = control();
  expect(await commands.label({ resultId: '01JD0000000000000000000000', label: 'dent' })).toEqual({});
  expect(asked).toEqual([{ resultId: '01JD0000000000000000000000', label: 'dent', by: { by: 'mqtt' } }]);
});

it('passes a challenge command on', async () => {
  const { asked, commands } = control();
  await commands.challenge({ action: 'start', camera: 'top' });
  expect(asked).toEqual([{ challenge: { action: 'start', camera: 'top' } }]);
});
