/** What a label may be called, and the folder that holds its pictures. */
import { QcError } from '../../config/errors.ts';

const longest = 64;
/** What a file system or a tool could take for something else, and the sign that stands for it here. */
const reserved = /[%/\\:*?"<>|]/g;

/**
 * A label as it is kept: trimmed, Unicode NFC, 1 to 64 characters.
 * @throws QcError label-invalid
 */
export function checkLabel(text: string): string {
  const label = text.normalize('NFC').trim();
  const length = [...label].length;
  const shown = length > 40 ? `${[...label].slice(0, 40).join('')}…` : label;
  const refuse = (why: string) => new QcError('label-invalid', `"${shown}" cannot be a label: ${why}`);
  if (length === 0) throw refuse('it is empty');
  if (length > longest) throw refuse(`it has ${length} characters, ${longest} are the most`);
  if (/\p{Cc}|\p{Cs}|\p{Zl}|\p{Zp}/u.test(label)) throw refuse('it holds a character that cannot be seen');
  if (label.startsWith('.')) throw refuse('it begins with a dot');
  return label;
}

/** The folder of a label: the label itself, with reserved characters percent-encoded. */
export function folderOf(label: string): string {
  return label.replace(reserved, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The label whose folder this is; a folder that somebody else named is taken as it is. */
export function labelOf(folder: string): string {
  const label = folder.replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return folderOf(label) === folder.normalize('NFC') ? label : folder;
}
