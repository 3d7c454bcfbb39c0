/** Reads the images of recent parts from a folder or a zip, such as a day of the evidence. */
import { QcError } from '../../config/errors.ts';
import type { Image } from '../../models/image.ts';
import { readImage } from '../import/read-image.ts';
import { openSource } from '../import/source.ts';

/** The last ones in order of their names, which begin with the time in the evidence. More take memory and show little more. */
const maxRecent = 64;
const isImage = /\.(png|jpe?g|bmp|webp|tiff?)$/i;

/** @throws QcError dataset-source, adaptation-refused if there are no images */
export async function recentImages(path: string, onNotice: (text: string) => void): Promise<Image[]> {
  await using source = await openSource(path);
  const images: Image[] = [];
  for (const file of source.files.filter(({ name }) => isImage.test(name)).slice(-maxRecent)) {
    try {
      images.push((await readImage(file, { isOwn: true })).image);
    } catch (error) {
      onNotice(`${file.name} is left out: ${(error as Error).message}`);
    }
  }
  if (images.length > 0) return images;
  throw new QcError('adaptation-refused', `there is no readable image in ${path}`, {
    remedy:
      'name a folder with images of recent parts, cut as the camera does, such as storage/evidence/<day>',
  });
}
