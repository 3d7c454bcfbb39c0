import { expect, it } from 'vitest';
import { modelSchema } from '../../../config/model-schema.ts';
import { openInspector } from '../../../models/inspector.ts';
import { openStore } from '../../../models/versions/store.ts';
import { storeHead } from '../../models/fitted-head.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { installTiny } from '../../rigs/bases.ts';
import { openRealCalibration } from '../../rigs/real-calibration.ts';

const anna = { by: 'anna' };

it('a shadow version is compared with the version that was promoted last, and ends if it cannot be', async () => {
  await using folder = await tempFolder();
  const storage = folder.path;
  await installTiny(storage, 'one');
  const versions: string[] = [];
  {
    const model = modelSchema.parse({ base: 'one', provider: 'cpu', threads: 1 });
    await using inspector = await openInspector({
      model,
      storageDirectory: storage,
      onNotice: () => undefined,
    });
    for (let n = 0; n < 3; n++) {
      const { manifest, features } = inspector;
      versions.push(await storeHead(storage, manifest, features, { promote: n === 0 }));
    }
  }
  const [, second, third] = versions as [string, string, string];
  const store = await openStore(storage);
  const asked: (string | undefined)[] = [];
  let refuses = false;
  await using rig = await openRealCalibration(storage, true, {
    promote: (version) => store.promote(version),
    rollback: async () => void (await store.rollback()),
    async shadow(version) {
      if (refuses) throw new Error('the base needs more memory');
      asked.push(version);
    },
  });
  const { calibration } = rig;
  const shadow = async () => (await calibration.overview(anna)).shadow;

  await calibration.shadow(second);
  await calibration.promote(third, 'anna', {});
  expect(asked).toEqual([second, second]);
  expect(await shadow()).toMatchObject({ version: second, judged: 0 });
  await calibration.rollback('anna', {});
  expect(asked).toEqual([second, second, second]);
  await calibration.promote(second, 'anna', {});
  expect([asked.at(-1), await shadow()]).toEqual([undefined, null]);

  await calibration.shadow(third);
  refuses = true;
  await calibration.rollback('anna', {});
  expect(await shadow()).toBeNull();
  expect(rig.log.join()).toContain('no longer runs in shadow mode: the base needs more memory');
});
