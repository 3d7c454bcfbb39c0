/** Options of several commands, and parsers of option values. */
import { InvalidArgumentError, Option } from 'commander';

import { trainingSchema } from '../../config/training-schema.ts';

export interface FileOptions {
  readonly config: string;
  readonly json?: boolean;
}

export const configFile = () => new Option('-c, --config <file>', 'the YAML file').makeOptionMandatory();
export const json = (what: string) => new Option('--json', `print ${what} as JSON`);

export const acceptLicence = () =>
  new Option(
    '--accept-licence',
    'use weights whose licence excludes commercial use: their terms allow yours',
  );

export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new InvalidArgumentError('a number above 0 is needed.');
  return value;
}

export function portNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535)
    throw new InvalidArgumentError('a whole number from 0 to 65535 is needed.');
  return value;
}

export function share(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1)) throw new InvalidArgumentError('a share between 0 and 1 is needed.');
  return value;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 1_024) {
    throw new InvalidArgumentError('a whole number from 0 to 1024 is needed.');
  }
  return value;
}

export function cameraBits(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 9 || value > 16)
    throw new InvalidArgumentError('a whole number from 9 to 16 is needed.');
  return value;
}

/** Collects `written=label` of an option that may be repeated. */
export function mapping(text: string, before: ReadonlyMap<string, string> = new Map()): Map<string, string> {
  const at = text.lastIndexOf('=');
  const [written, label] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  if (at < 1 || written === '' || label === '')
    throw new InvalidArgumentError('NAME_IN_SOURCE=LABEL is needed, for example OK=good.');
  if (before.has(written)) throw new InvalidArgumentError(`${written} is mapped twice.`);
  return new Map(before).set(written, label);
}

export function augmentations(text: string): string[] {
  const known = trainingSchema.shape.augment.unwrap().safeParse(text.split(',').map((one) => one.trim()));
  if (!known.success) throw new InvalidArgumentError('valid names are light, blur, crop and rotate.');
  return known.data;
}
