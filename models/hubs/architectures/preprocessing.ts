/** Reads the preparation of images from config files of a hub. */
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import type { WeightFile } from '../read/tensors.ts';
import type { Preprocessing } from './network.ts';

const three = z.tuple([z.number(), z.number(), z.number()]);
const positive = z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]);
const timmSchema = z.object({ pretrained_cfg: z.object({ mean: three, std: positive }) });
const transformersSchema = z.object({
  image_mean: three,
  image_std: positive,
  do_normalize: z.boolean().default(true),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
});

/** From timm's config.json or transformers' preprocessor_config.json; undefined if neither states it. */
export function normalisationOf({
  config,
  preprocessor,
}: Pick<WeightFile, 'config' | 'preprocessor'>): Preprocessing | undefined {
  const timm = check(timmSchema, config);
  if (timm.success) return { channels: 'RGB', scale: 1 / 255, ...timm.data.pretrained_cfg };
  const said = check(transformersSchema, preprocessor);
  if (!said.success) return undefined;
  const { image_mean, image_std, do_normalize, rescale_factor } = said.data;
  const none: Pick<Preprocessing, 'mean' | 'std'> = { mean: [0, 0, 0], std: [1, 1, 1] };
  const normalisation = do_normalize ? { mean: image_mean, std: image_std } : none;
  return { channels: 'RGB', scale: rescale_factor, ...normalisation };
}
