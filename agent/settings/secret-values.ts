/** Secrets of the configuration: never shown, and replaced by variables while their files do not exist yet. */
import { redactUrl } from '../../config/secrets.ts';
import { nodeAt } from '../../config/tree.ts';
import type { SettingsRequest } from './messages.ts';

/** A copy without secrets; passwords in addresses are replaced by stars. */
export function withoutSecrets(value: object, path: readonly string[] = []): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => nodeAt([...path, key])?.secret !== true)
      .map(([key, below]) => [
        key,
        typeof below === 'object' && below !== null && !Array.isArray(below)
          ? withoutSecrets(below, [...path, key])
          : shownValue(below),
      ]),
  );
}

export const shownValue = (value: unknown) => (typeof value === 'string' ? redactUrl(value) : value);

/** The variable that has the same effect as the file of a secret: `QC_CAMERAS__TOP__PASSWORD`. */
export function secretVariable({ path, value }: SettingsRequest['secrets'][number]): [string, string] {
  const keys = [...path.slice(0, -1), (path.at(-1) ?? '').replace(/File$/, '')];
  return [`QC_${keys.map((key) => key.toUpperCase().replaceAll('-', '_')).join('__')}`, value];
}
