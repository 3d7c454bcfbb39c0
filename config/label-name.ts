/**
 * Valid names of labels. Labels are shown to people, name folders on any file system, and are keys of messages and
 * metrics, so every name is checked here: from HTTP, MQTT, the command line, an import and the configuration.
 */
import { QcError } from './errors.ts';

/** Code points. */
const longest = 64;
/** Longest file name of ext4, XFS, Btrfs, NTFS and APFS, bytes. */
const maxFolder = 255;
/** Files and folders of the dataset next to those of its labels. */
const ownNames: ReadonlySet<string> = new Set(['labels.jsonl', 'labels.jsonl.torn', 'annotations.jsonl']);

/** Characters with a special meaning in file systems or tools, and the escape character. */
const reserved = /[%/\\:*?"<>|]/g;
/** Names that Windows reserves for devices, also before a dot. */
const device = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?=$|\.)/i;

/** Invisible characters and those that change how other text is shown. U+2800 is a Braille pattern without dots. */
const invisible =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800]/u;
/** Only selects the text or emoji form of the preceding character. */
const presentation = /[\ufe0e\ufe0f]/g;

/**
 * A label as it is stored: Unicode NFC, trimmed, with plain single spaces.
 * @param existing labels that are in use: a name that differs from one of them only in case or width is refused
 * @throws QcError label-invalid
 */
export function checkLabelName(text: string, existing: Iterable<string> = []): string {
  const label = normalise(text);
  const why = whyNot(label, existing);
  if (why === undefined) return label;
  const characters = [...label];
  const shown = characters.length > 40 ? `${characters.slice(0, 40).join('')}…` : label;
  // Invisible characters must not be hidden in a log either.
  const visible = Array.from(shown, (sign) => (invisible.test(sign) ? `<${codePoint(sign)}>` : sign)).join(
    '',
  );
  throw new QcError('label-invalid', `"${visible}" cannot be a label: ${why}`);
}

/** A label as it is stored; it may be invalid. */
export function normalise(text: string): string {
  return text
    .normalize('NFC')
    .replace(presentation, '')
    .replace(/\p{Zs}+/gu, ' ')
    .trim();
}

/** Why a normalised name cannot be a label; undefined if it can. */
export function whyNot(label: string, existing: Iterable<string> = []): string | undefined {
  const { length } = [...label];
  if (length === 0) return 'it is empty';
  if (length > longest) return `it has ${length} characters, at most ${longest} are allowed`;
  const hidden = invisible.exec(label)?.[0];
  if (hidden !== undefined) return `it contains ${codePoint(hidden)}, an invisible character`;
  if (label.includes('\ufffd')) return 'it contains U+FFFD, which replaces text that could not be decoded';
  if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(label)) return 'it contains only invisible characters';
  if (label in {}) return 'programs reserve this word';
  const unstorable = whyUnstorable(label);
  if (unstorable !== undefined) return unstorable;
  const twin = twinOf(label, existing);
  return twin === undefined ? undefined : `the label ${JSON.stringify(twin)} exists already; use that one`;
}

/** A label that differs from this one only in case or width; undefined if there is none, or if the label itself exists. */
export function twinOf(label: string, existing: Iterable<string>): string | undefined {
  const folded = fold(label);
  let twin: string | undefined;
  for (const one of existing) {
    if (one === label) return undefined;
    if (twin === undefined && fold(one) === folded) twin = one;
  }
  return twin;
}

/** Why no folder can have the name of this label; undefined if one can. */
export function whyUnstorable(label: string): string | undefined {
  if (label === '') return 'it is empty';
  if (label.startsWith('.')) return 'it begins with a dot';
  if (isKeptByDataset(label)) return 'the dataset has a file or folder of this name';
  const bytes = new TextEncoder().encode(folderOfLabel(label)).length;
  if (bytes <= maxFolder) return undefined;
  return `it takes ${bytes} bytes as the name of a folder, at most ${maxFolder} are allowed`;
}

/** Whether the dataset reserves this name for a file or folder. */
export const isKeptByDataset = (name: string) => name.startsWith('.') || ownNames.has(name.toLowerCase());

/**
 * The folder of a label: the label itself, with percent-encoding for characters that some file systems do not support:
 * reserved characters, a dot or space at the end, the first letter of a device name.
 */
export function folderOfLabel(label: string): string {
  const plain = label.replace(reserved, encode).replace(/[. ]$/, encode);
  return device.test(plain) ? `${encode(plain[0]!)}${plain.slice(1)}` : plain;
}

/** The label of a folder; a folder that was not created by the dataset is used unchanged. */
export function labelOfFolder(folder: string): string {
  const label = folder.replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return folderOfLabel(label) === folder.normalize('NFC') ? label : folder;
}

const encode = (sign: string) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`;
const fold = (label: string) => label.normalize('NFKC').toLowerCase();
const codePoint = (sign: string) => `U+${sign.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
