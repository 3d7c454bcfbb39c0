import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { openInspector } from '../../models/inspector.ts';
import { valueInfo } from '../../models/onnx/build.ts';
import { changed } from '../../models/onnx/proto.ts';
import { openSession } from '../../models/run/session.ts';
import { nearestSize, splitSize } from '../../models/sized.ts';
import { requireInstalled } from '../../models/versions/pair.ts';
import { promoteVersion, rollbackVersion } from '../../models/versions/promote.ts';
import { installTiny } from '../rigs/bases.ts';
import { plate, storeHead } from './fitted-head.ts';
import { tempFolder } from './temp-folder.ts';
import { tinyMapped, writeMapped } from './tiny-mapped.ts';
import { tinyClassifier } from './tiny-model.ts';

/** The tiny model with a free height and width. */
function free(model = tinyClassifier()) {
  const input = [valueInfo('data', ['N', 3, 'height', 'width'])];
  return changed(model, { graph: changed(model.graph!, { input }) });
}

const sessionOf = (base: string, storageDirectory: string) =>
  openSession({ base, provider: 'cpu', precision: 'auto', threads: 1, storageDirectory });

describe('a base at another input size', () => {
  it('is named with its size, which must be possible', () => {
    expect(splitSize('resnet50')).toEqual({ plain: 'resnet50', size: undefined });
    expect(splitSize('/a@b/base.onnx')).toEqual({ plain: '/a@b/base.onnx', size: undefined });
    expect(splitSize('resnet50@448x176')).toEqual({ plain: 'resnet50', size: { width: 448, height: 176 } });
    for (const name of ['resnet50@450x176', 'resnet50@16x64', 'resnet50@4096x64']) {
      expect(() => splitSize(name)).toThrow(/multiples of 16 from 64 to 2048/);
    }
    expect(nearestSize({ width: 351, height: 10 })).toEqual({ width: 352, height: 64 });
  });

  it('computes features and maps of that size, and is a base of its own', async () => {
    await using folder = await tempFolder();
    const base = await writeMapped(folder.path, {}, free(tinyMapped()));
    await using small = await sessionOf(base, folder.path);
    await using large = await sessionOf(`${base}@96x64`, folder.path);
    const { manifest, maps } = large.facts;
    expect(manifest.name).toBe(`${small.facts.manifest.name}@96x64`);
    expect(manifest.sha256).not.toBe(small.facts.manifest.sha256);
    expect(manifest.input).toMatchObject({ width: 96, height: 64 });
    expect(maps.map(({ width, height }) => [width, height])).toEqual([
      [12, 8],
      [6, 4],
    ]);
    const image = plate('scratch', 1);
    const seen = await large.maps(image);
    expect(seen.maps.stage3).toMatchObject({ width: 6, height: 4 });
    expect(seen.features).not.toEqual(await small.features(image));
  });

  it('is refused if the graph takes one size only', async () => {
    await using folder = await tempFolder();
    await installTiny(folder.path, 'fixed');
    await expect(sessionOf('fixed@64x64', folder.path)).rejects.toMatchObject({
      code: 'base-size',
      message: `${join(folder.path, 'bases', 'fixed.onnx')} only takes images of 32×32 pixels`,
    });
    const { model } = configFor(folder.path);
    await expect(
      requireInstalled('fixed@64x64', { ...model, base: 'fixed' }, folder.path),
    ).rejects.toMatchObject({
      code: 'base-size',
    });
    await expect(
      requireInstalled('absent@64x64', { ...model, base: 'fixed' }, folder.path),
    ).rejects.toMatchObject({
      code: 'model-missing',
    });
  });

  it('is promoted and rolled back together with its head, which does not judge at any other size', async () => {
    await using folder = await tempFolder();
    const storage = folder.path;
    await installTiny(storage, 'one', free());
    const { model, ...config } = configFor(storage);
    const open = (base = 'one', notices: string[] = []) =>
      openInspector({
        model: { ...model, base },
        storageDirectory: storage,
        onNotice: (text) => notices.push(text),
      });
    const add = async (base: string, promote: boolean) => {
      await using inspector = await open(base);
      return await storeHead(storage, inspector.manifest, inspector.features, { promote });
    };
    const first = await add('one', true);
    const second = await add('one@80x64', false);
    await using running = await open();
    await running.judge(plate('scratch', 1));
    await promoteVersion({ ...config, model }, second, { by: 'test' });
    await running.swapHead(second);
    expect(running.model).toMatchObject({ version: second, base: 'one@80x64' });
    expect(await running.judge(plate('scratch', 1))).toMatchObject({ version: second, base: 'one@80x64' });
    {
      await using restarted = await open();
      expect(restarted.model).toMatchObject({ version: second, base: 'one@80x64' });
    }
    await rollbackVersion({ ...config, model }, { by: 'test' });
    await using back = await open();
    expect(back.model).toMatchObject({ version: first, base: 'one' });
    // If the config asks for a size, the head of another one does not judge.
    await using other = await open('one@96x64');
    expect(other.model).toMatchObject({ version: 'none', base: 'one@96x64' });
    expect(other.misfit()?.message).toContain('was trained on the base one');
  });
});

const configFor = (directory: string) => ({
  model: modelSchema.parse({ base: 'one', provider: 'cpu', threads: 1 }),
  storage: storageSchema.parse({ directory }),
});
