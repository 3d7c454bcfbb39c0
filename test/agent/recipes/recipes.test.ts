import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openBook } from '../../../agent/recipes/book.ts';
import { openRecipeInForce } from '../../../agent/recipes/in-force.ts';
import { createRecipes, type RecipeCamera } from '../../../agent/recipes/recipes.ts';
import { QcError } from '../../../config/errors.ts';
import { configSchema } from '../../../config/schema.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const book = openBook(
  configSchema.parse({
    station: 's',
    cameras: { top: { url: 'rtsp://h/a' } },
    recipes: {
      bolts: { head: 'good', cameras: { top: { region: { x: 0.5, width: 0.5 } } } },
      nuts: { head: 'bad' },
      dots: { cameras: { top: { region: { width: 0.001 } } } },
    },
  }),
);

async function open(storageDirectory: string) {
  const happened: string[] = [];
  const inForce = await openRecipeInForce(book, storageDirectory);
  const bad = new Set(['bad']);
  const camera: RecipeCamera = {
    checkRegion({ width }) {
      if (width < 0.01) throw new QcError('camera-region', 'the region is too small');
    },
    async recipeChanged() {
      happened.push(`cut ${inForce.active}`);
    },
  };
  const recipes = createRecipes(inForce, {
    log: pino({ level: 'silent' }),
    cameras: new Map([['top', camera]]),
    model: Promise.resolve({
      async keepHead(version) {
        happened.push(`load ${version}`);
        if (bad.has(version)) throw new QcError('head-damaged', `head ${version} is damaged`);
      },
    }),
    onChange: () => void happened.push(`told ${inForce.active}`),
  });
  return { recipes, inForce, happened, bad };
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error) => (error instanceof QcError ? error.code : String(error)),
  );

describe('the active recipe', () => {
  it('is the default until another one is loaded, saved and applied', async () => {
    await using folder = await tempFolder();
    const { recipes, inForce, happened } = await open(folder.path);
    expect(inForce.active).toBe('default');
    await recipes.use('bolts');
    expect(inForce.active).toBe('bolts');
    expect(happened).toEqual(['load good', 'told bolts', 'cut bolts']);
    expect((await open(folder.path)).inForce.active).toBe('bolts');
    await recipes.use('bolts');
    expect(happened.at(-1)).toBe('load good');
  });

  it('stays, also on disk, if the new one cannot be used', async () => {
    await using folder = await tempFolder();
    const { recipes, inForce, happened, bad } = await open(folder.path);
    await recipes.use('bolts');
    expect(await code(recipes.use('nuts'))).toBe('head-damaged');
    expect(await code(recipes.use('dots'))).toBe('camera-region');
    expect(await code(recipes.use('screws'))).toBe('recipe-unknown');
    expect(inForce.active).toBe('bolts');
    expect(happened.filter((one) => one.startsWith('cut'))).toEqual(['cut bolts']);
    expect(recipes.list().map(({ name, active, fault }) => [name, active, fault !== ''])).toEqual([
      ['default', false, false],
      ['bolts', true, false],
      ['nuts', false, true],
      ['dots', false, false],
    ]);
    bad.clear();
    await recipes.use('nuts');
    expect(recipes.list().find(({ name }) => name === 'nuts')).toMatchObject({ active: true, fault: '' });
  });

  it('changes one at a time, in the order of the requests', async () => {
    await using folder = await tempFolder();
    const { recipes, inForce, happened } = await open(folder.path);
    await Promise.all(['bolts', 'default', 'bolts', 'default'].map((name) => recipes.use(name)));
    expect(inForce.active).toBe('default');
    expect(happened.filter((one) => one.startsWith('cut'))).toEqual([
      'cut bolts',
      'cut default',
      'cut bolts',
      'cut default',
    ]);
  });

  it.each([
    ['{"schema":1,"recipe":"gone"}', 'recipe-unknown'],
    ['garbage', 'data-damaged'],
  ])('must be known at the start: %s is refused with a remedy', async (content, code) => {
    await using folder = await tempFolder();
    await mkdir(folder.path, { recursive: true });
    await writeFile(join(folder.path, 'recipe.json'), content);
    const opening = open(folder.path);
    await expect(opening).rejects.toMatchObject({
      code,
      remedy: expect.stringContaining('recipe.json'),
    });
    expect(await readFile(join(folder.path, 'recipe.json'), 'utf8')).toBe(content);
  });
});

describe('heads at the start', () => {
  it('may be damaged for an inactive recipe, which is refused until they are repaired', async () => {
    await using folder = await tempFolder();
    const { recipes, bad } = await open(folder.path);
    await recipes.loadHeads();
    await recipes.require('bolts');
    expect(await code(recipes.require('nuts'))).toBe('head-damaged');
    bad.clear();
    await recipes.require('nuts');
    expect(recipes.list().every(({ fault }) => fault === '')).toBe(true);
  });

  it('must be intact for the active one', async () => {
    await using folder = await tempFolder();
    await writeFile(join(folder.path, 'recipe.json'), '{"schema":1,"recipe":"nuts"}');
    const { recipes } = await open(folder.path);
    expect(await code(recipes.loadHeads())).toBe('head-damaged');
  });
});

describe('the regions', () => {
  const settings = (width: number, bolts = 0.5) =>
    configSchema.parse({
      station: 's',
      cameras: { top: { url: 'rtsp://h/a', region: { width } } },
      recipes: { bolts: { cameras: { top: { region: { x: 0.5, width: bolts } } } }, dots: dotsAsBefore },
    });
  const dotsAsBefore = { cameras: { top: { region: { width: 0.001 } } } };

  it('change at once, for the active recipe and the others', async () => {
    await using folder = await tempFolder();
    const { recipes, happened } = await open(folder.path);
    await recipes.useRegions(settings(0.4, 0.2));
    expect(happened).toEqual(['cut default']);
    const regions = Object.fromEntries(
      recipes.list().map((recipe) => [recipe.name, recipe.regions.top?.width]),
    );
    expect(regions).toEqual({ default: 0.4, bolts: 0.2, nuts: 0.4, dots: 0.001 });
    await recipes.useRegions(settings(1));
  });

  it('stay if one that changes is too small for its image', async () => {
    await using folder = await tempFolder();
    const { recipes, happened } = await open(folder.path);
    expect(await code(recipes.useRegions(settings(0.4, 0.002)))).toBe('camera-region');
    expect(happened).toEqual([]);
    expect(recipes.list()[0]?.regions.top?.width).toBe(1);
  });

  it('of a camera that is no longer in the configuration stay until the restart', async () => {
    await using folder = await tempFolder();
    const { recipes } = await open(folder.path);
    await recipes.useRegions({ cameras: {}, recipes: {} });
    expect(recipes.list()[0]?.regions.top?.width).toBe(1);
  });
});
