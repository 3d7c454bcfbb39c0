import { openDataset } from '../../calibration/dataset/dataset.ts';
import type { QuantizeConfig } from '../../calibration/quantize.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { tinyManifest, writeTiny } from '../models/tiny-model.ts';
import { channels, type ResnetOptions, tinyResnet } from '../models/tiny-resnet.ts';
import { surface } from './surface.ts';

/** A base like an export of torchvision, and labelled parts in a storage directory. */
export async function site(
  folder: string,
  { labelled = 16, ...resnet }: ResnetOptions & { labelled?: number } = {},
) {
  const base = await writeTiny(
    folder,
    {
      input: { ...tinyManifest(new Uint8Array(0)).input, name: 'input' },
      features: { tensor: 'features', pool: 'none', size: channels },
    },
    tinyResnet(resnet),
  );
  if (labelled > 0) {
    await using dataset = await openDataset(folder, { onNotice: () => undefined });
    for (const label of ['good', 'stain', 'bright'] as const) {
      for (let i = 0; i < labelled; i++) await dataset.add({ image: surface(label, i), label, by: 'test' });
    }
  }
  return {
    model: modelSchema.parse({ base, provider: 'cpu', threads: 1 }),
    labels: { good: ['good'] },
    thresholds: { pass: 0.7, fail: 0.6 },
    storage: storageSchema.parse({ directory: folder }),
  } satisfies QuantizeConfig;
}
