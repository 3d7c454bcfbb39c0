import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Reply, Result } from '../../agent/publish/messages.ts';
import { addHead } from '../rigs/heads.ts';
import { mosquittoMissing } from '../rigs/mosquitto.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

/** Another head with other labels, and a region of another shape for it. */
const wide = { x: 0.1, y: 0.4, width: 0.8, height: 0.2 };
const labelsOfOther = ['good', 'scratch'];

async function recipes(storage: string): Promise<object> {
  const other = await addHead(storage);
  const damaged = await addHead(storage);
  await appendFile(join(storage, 'models', damaged, 'head.onnx'), 'x');
  const foreign = await addHead(storage, { base: 'a'.repeat(64) });
  return {
    // The test reads every judged image.
    storage: { directory: storage, evidencePassShare: 1 },
    recipes: {
      wide: { description: 'another product', head: other, cameras: { top: { region: wide } } },
      strict: { thresholds: { pass: 1, fail: 1 } },
      missing: { head: '2020-01-01.1' },
      damaged: { head: damaged },
      foreign: { head: foreign },
      tiny: { cameras: { top: { region: { width: 0.001, height: 0.001 } } } },
    },
  };
}

const expected = {
  default: { wide: false, other: false },
  wide: { wide: true, other: true },
  strict: { wide: false, other: false },
} as const;

/**
 * A result must come from the head and region of its recipe: the labels show the head, the shape of the image shows the
 * region.
 */
async function isOfItsRecipe(plant: Plant, result: Result): Promise<void> {
  const wanted = expected[result.recipe as keyof typeof expected];
  expect(result.state, result.reasons.join()).toBe('completed');
  expect(Object.keys(result.probabilities).sort().join() === labelsOfOther.join()).toBe(wanted.other);
  const answer = await fetch(`${plant.url}${result.evidence}`);
  const { width, height } = await sharp(Buffer.from(await answer.arrayBuffer())).metadata();
  expect(width! / height! > 2, `${result.recipe}: ${width} × ${height}`).toBe(wanted.wide);
}

describe('a recipe changes region, head and thresholds', () => {
  let plant: Plant;
  beforeAll(async () => {
    plant = await openPlant({
      broker: mosquittoMissing ? 'aedes' : 'mosquitto',
      trigger: { kind: 'command', timeoutMs: 5_000 },
      settings: recipes,
    });
    await plant.ready();
  });
  afterAll(() => plant?.[Symbol.asyncDispose]());

  const trigger = async (recipe?: string): Promise<Result> =>
    resultOf(plant, await plant.command('trigger', { camera: 'top', ...(recipe && { recipe }) }));

  it('for every part that is triggered after the answer, and none before', async () => {
    for (const recipe of ['wide', 'default', 'strict', 'wide', 'strict', 'default']) {
      // The answer comes with the first frame: the part is judged while the recipe changes.
      const early = plant.command('trigger', { camera: 'top' });
      const before = plant.status?.online && plant.status.recipe;
      const first = await resultOf(plant, await early);
      expect(await plant.command('recipe', { recipe })).toEqual({ schema: 1, ok: true });
      const second = await trigger();
      expect([first.recipe, second.recipe]).toEqual([before, recipe]);
      await isOfItsRecipe(plant, first);
      await isOfItsRecipe(plant, second);
      if (recipe === 'strict') expect(second).toMatchObject({ verdict: 'uncertain', evaluation: 0 });
      await plant.says((status) => status.online && status.recipe === recipe, `recipe ${recipe}`);
    }
  });

  it('for a single part, if its trigger names one', async () => {
    const parts = [await trigger('wide'), await trigger(), await trigger('strict'), await trigger('wide')];
    expect(parts.map(({ recipe }) => recipe)).toEqual(['wide', 'default', 'strict', 'wide']);
    for (const part of parts) await isOfItsRecipe(plant, part);
    expect(plant.status).toMatchObject({ recipe: 'default' });
  });

  it('or is refused with the reason, and the old one stays active', async () => {
    await plant.command('recipe', { recipe: 'wide' });
    for (const [recipe, code] of [
      ['bolts', 'recipe-unknown'],
      ['missing', 'version-unknown'],
      ['damaged', 'head-damaged'],
      ['foreign', 'head-base-mismatch'],
      ['tiny', 'camera-region'],
    ] as const) {
      expect((await plant.command('recipe', { recipe })).error).toMatchObject({ code });
      expect((await plant.command('trigger', { camera: 'top', recipe })).error).toMatchObject({ code });
    }
    const { error } = await plant.command('recipe', { recipe: 'bolts' });
    expect(error?.message).toContain('default, wide, strict');
    const stale = await plant.command('recipe', { recipe: 'default', issuedAt: '2020-01-01T00:00:00Z' });
    expect(stale.error?.code).toBe('command-stale');
    const future = await plant.command('recipe', { recipe: 'default', issuedAt: '2100-01-01T00:00:00Z' });
    expect(future.error?.code).toBe('command-stale');
    const result = await trigger();
    expect(result.recipe).toBe('wide');
    await isOfItsRecipe(plant, result);
  });

  it('and stays active after a crash; HTTP and metrics show it', async () => {
    await plant.restart('SIGKILL');
    await plant.ready();
    await plant.says((status) => status.online && status.recipe === 'wide', 'the recipe of before');
    const result = await trigger();
    expect(result.recipe).toBe('wide');
    await isOfItsRecipe(plant, result);

    const list = (await (await fetch(`${plant.url}/api/v1/recipes`)).json()) as { name: string }[];
    expect(list.find(({ name }) => name === 'wide')).toMatchObject({ active: true, regions: { top: wide } });
    expect(list.find(({ name }) => name === 'damaged')).toMatchObject({
      active: false,
      fault: expect.stringContaining('sha256'),
    });
    const answer = await fetch(`${plant.url}/api/v1/recipe`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ recipe: 'default' }),
    });
    expect(answer.status).toBe(200);
    await isOfItsRecipe(plant, await trigger());
    const metrics = await plant.metrics();
    expect(metrics.value('qc_recipe_info', { recipe: 'default' })).toBe(1);
    expect(metrics.value('qc_recipe_info')).toBe(1);
    expect(metrics.value('qc_parts_inspected_total', { recipe: 'wide' })).toBe(1);
  });
});

it('a recipe changes repeatedly while parts arrive automatically, and no part has two recipes', async () => {
  await using plant = await openPlant({
    trigger: { kind: 'continuous', everyMs: 150 },
    settings: recipes,
  });
  await plant.ready();
  for (const recipe of ['wide', 'default', 'wide', 'strict', 'wide', 'default']) {
    await plant.nextResults(2);
    expect(await plant.command('recipe', { recipe })).toMatchObject({ ok: true });
  }
  await plant.nextResults(2);
  const { results } = plant;
  for (const result of results) await isOfItsRecipe(plant, result);
  expect(new Set(results.map(({ recipe }) => recipe))).toEqual(new Set(['default', 'wide', 'strict']));
  expect(results.map(({ sequence }) => sequence)).toEqual(results.map((_, i) => i + 1));
});

function resultOf(plant: Plant, reply: Reply): Promise<Result> {
  expect(reply).toMatchObject({ ok: true });
  return until(() => plant.results.find(({ jobId }) => jobId === reply.jobId), {
    what: `the result of ${reply.jobId}`,
  });
}
