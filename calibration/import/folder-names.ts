/** Classifies names of folders and files: a split, a container, a day, masks, or else a label. */
import { posix } from 'node:path';

const splits = words('train training trn val valid validation dev test testing tst eval evaluation holdout');
const containers = words(
  'image images img imgs picture pictures photo photos frames jpegimages imagesets data dataset datasets obj_train_data ' +
    'obj_valid_data obj_test_data label labels annotations raw export exports import upload uploads all archive media files ' +
    'input inputs original originals',
);
const maskFolders = words(
  'ground_truth groundtruth ground-truth gt mask masks segmentation segmentations segmentationclass segmentationobject seg ' +
    'mask_images anomaly_mask defect_masks',
);
/** 2026-11-29, 2026_11, 20261129, 29.11.2026, 2026-11-29T08-00, 2026-W48 */
const day =
  /^(?:(?:19|20)\d\d(?:[-_. ]?(?:0?[1-9]|1[0-2])(?:[-_. ]?(?:0?[1-9]|[12]\d|3[01]))?)?|(?:0?[1-9]|[12]\d|3[01])[-_.](?:0?[1-9]|1[0-2])[-_.](?:19|20)?\d\d|(?:19|20)\d\d[-_]?[wW]\d\d)(?:[T _-]\d\d[-_:.]?\d\d.*)?$/;
/** Numbered runs: not a defect if the path has another name. */
const numbered =
  /^(?:day|lot|batch|shift|week|run|part|session|cam|camera|line|station|series|class|set|fold|split|group|seq|sequence|roll|pallet|tray|order)?[ _-]*\d+$/i;
/** `scratch_masks` contains the masks of `scratch`. */
const maskFolderEnding = /[-_ ](?:masks?|gt|ground[-_ ]?truth|segmentations?)$/i;
const maskEnding =
  /[-_. ](?:mask|masks|gt|seg|segmentation|label|labels|anomaly_mask|ground_truth)(?:[-_]?\d+)?$/i;

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

const key = (folder: string) => folder.trim().toLowerCase();

export const isMaskFolder = (folder: string) =>
  maskFolders.has(key(folder)) || maskFolderEnding.test(folder.trim());
/** Never a label: a split, a container, masks, or a day. */
export const isContainer = (folder: string) =>
  splits.has(key(folder)) || containers.has(key(folder)) || isMaskFolder(folder) || day.test(folder.trim());
/** A label only if the user says so: `7`, `lot 7`, `cam2`. */
export const isNumbered = (folder: string) => numbered.test(folder.trim());

export const foldersOf = (name: string) => name.split('/').slice(0, -1);
export const stemOf = (name: string) => posix.basename(name, posix.extname(name));
export const hasMaskEnding = (name: string) => maskEnding.test(stemOf(name));

/** The common key of an image and its mask: the path without splits, containers, mask folders and extensions. */
export function partKey(name: string): string {
  const folders = foldersOf(name)
    .map((folder) => folder.trim().replace(maskFolderEnding, ''))
    .filter((folder) => !isContainer(folder) || day.test(folder));
  return [...folders, stemOf(name).replace(maskEnding, '')].join('/').toLowerCase();
}

const maskToken = /(?<=[-_])(?:gt|mask|seg|label)(?=[-_])/;
const anyToken = /(?<=[-_])[a-z]+(?=[-_])/g;

/**
 * The key of a mask with a wildcard for its mask word: `PART_GT_01` is the mask of `PART_D_01`. Undefined if it has none.
 */
export function openKeyOfMask(key: string): string | undefined {
  const { dir, base } = posix.parse(key);
  return maskToken.test(base) ? `${dir}/${base.replace(maskToken, '*')}` : undefined;
}

/** The key of an image with a wildcard for each of its words in turn. */
export function openKeysOfImage(key: string): string[] {
  const { dir, base } = posix.parse(key);
  return Array.from(base.matchAll(anyToken), ({ 0: word, index }) => {
    return `${dir}/${base.slice(0, index)}*${base.slice(index + word.length)}`;
  });
}

const imageTypes = new Set(
  '.png .jpg .jpeg .jpe .jfif .bmp .dib .webp .tif .tiff .gif .avif .heic .heif .jp2 .jxl .ppm .pgm .pnm .raw .cr2 .nef .dng .svg .exr .psd'.split(
    ' ',
  ),
);
/** Whether it claims to be an image, readable or not. */
export const isImageName = (name: string) => imageTypes.has(posix.extname(name).toLowerCase());
