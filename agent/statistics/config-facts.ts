/** Fingerprints of the settings that affect verdicts, so that the next start can tell which sections were changed. */
import { createHash } from 'node:crypto';
import type { Config } from '../../config/schema.ts';

const prefix = 'config ';
/** Not compared: secrets, and where they come from. */
const secrets = new Set(['password', 'passwordFile', 'token', 'tokenFile']);

export type ComparedConfig = Pick<
  Config,
  'cameras' | 'model' | 'labels' | 'thresholds' | 'recipes' | 'shifts'
>;

function configFacts(config: ComparedConfig): Record<string, string> {
  const { cameras, model, labels, thresholds, recipes, shifts } = config;
  const sections = {
    model,
    labels,
    thresholds,
    shifts,
    ...named('cameras', cameras),
    ...named('recipes', recipes),
  };
  return Object.fromEntries(
    Object.entries(sections).map(([name, section]) => [prefix + name, fingerprintOf(section)]),
  );
}

/** Computed again only if a section was replaced; changed settings never change a section in place. */
export function createConfigFacts(config: ComparedConfig): () => Record<string, string> {
  let seen: readonly unknown[] = [];
  let facts: Record<string, string> = {};
  return () => {
    const { cameras, model, labels, thresholds, recipes, shifts } = config;
    const now = [cameras, model, labels, thresholds, recipes, shifts];
    if (now.some((section, i) => section !== seen[i])) facts = configFacts(config);
    seen = now;
    return facts;
  };
}

/** Names of the sections that differ, without those of a first start. */
export function changedSections(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  if (!names.some((name) => name.startsWith(prefix) && name in before)) return [];
  return names
    .filter((name) => name.startsWith(prefix) && before[name] !== after[name])
    .map((name) => name.slice(prefix.length))
    .sort();
}

const named = (parent: string, sections: Readonly<Record<string, object>>) =>
  Object.fromEntries(Object.entries(sections).map(([name, section]) => [`${parent}.${name}`, section]));

function fingerprintOf(section: object): string {
  const text = JSON.stringify(section, (key, value) => (secrets.has(key) ? undefined : value));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
