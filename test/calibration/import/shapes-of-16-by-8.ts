import sharp from 'sharp';

/** All images here have 16 × 8 pixels. */
export const box = { kind: 'box', label: 'scratch', x: 0.25, y: 0.25, width: 0.125, height: 0.5 } as const;
export const polygon = {
  kind: 'polygon',
  label: 'hole',
  points: [
    [0.5, 0.5],
    [1, 0.5],
    [1, 1],
  ],
} as const;

export async function pixelsOf(shape: { readonly png: string } | undefined): Promise<number[]> {
  const data = await sharp(Buffer.from(shape!.png, 'base64')).extractChannel(0).raw().toBuffer();
  return [...data].flatMap((value, i) => (value === 255 ? i : []));
}

export const coco = (annotations: readonly object[], files: readonly string[]) => ({
  info: {},
  images: files.map((file_name, id) => ({ id, file_name, width: 16, height: 8 })),
  categories: [
    { id: 0, name: 'defects', supercategory: 'none' },
    { id: 1, name: 'scratch' },
    { id: 2, name: 'hole' },
    { id: 3, name: 'good' },
  ],
  annotations: annotations.map((one, id) => ({ id, iscrowd: 0, area: 4, ...one })),
});
