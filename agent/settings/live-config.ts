/** The configuration in use. Some keys take effect while the line runs; the others keep their values until a restart. */
import { type ChangedLeaf, changedLeaves } from '../../config/leaves.ts';
import { freeze } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';

/** Applies changed keys to a part of the agent; the configuration already has the new values. */
export type Apply = () => Promise<void> | void;

interface LiveKey {
  readonly pattern: readonly string[];
  readonly apply: Apply;
}

export class LiveConfig {
  #current: Config;
  readonly #keys: LiveKey[] = [];
  /** The same object all the time: its sections are read from the current configuration at each access. */
  readonly view: Config;

  constructor(config: Config) {
    this.#current = config;
    const sections = Object.keys(config).map((key) => [
      key,
      { enumerable: true, get: () => this.#current[key as keyof Config] },
    ]);
    this.view = Object.defineProperties({}, Object.fromEntries(sections)) as Config;
  }

  get current(): Config {
    return this.#current;
  }

  /**
   * From now on keys take effect while the line runs.
   * @param keys dotted, with * for any name: `recipes.*.thresholds` includes everything below it
   * @param apply called once for a change of any of them; an error undoes the change
   */
  takesLive(keys: readonly string[], apply: Apply = () => undefined): void {
    for (const key of keys) this.#keys.push({ pattern: key.split('.'), apply });
  }

  /** The values in which another configuration differs, and whether they take effect without a restart. */
  changesTo(next: Config): { readonly leaf: ChangedLeaf; readonly isLive: boolean }[] {
    return changedLeaves(this.#current, next).map((leaf) => ({ leaf, isLive: this.#isLive(leaf, next) }));
  }

  #isLive({ path }: ChangedLeaf, next: Config): boolean {
    // A camera or recipe that is new or gone needs a restart: parts of the agent belong to it.
    const [section, name = ''] = path;
    const isThere = (config: Config) =>
      (section !== 'cameras' && section !== 'recipes') || Object.hasOwn(config[section], name);
    const kindIn = ({ cameras }: Config) => cameras[name]?.trigger.kind;
    const isSameKind = path[2] !== 'trigger' || kindIn(this.#current) === kindIn(next);
    return isThere(this.#current) && isThere(next) && isSameKind && this.#keysOf(path).length > 0;
  }

  /** The keys that take effect without a restart. */
  get keys(): string[] {
    return this.#keys.map(({ pattern }) => pattern.join('.'));
  }

  /** Takes the live values of another configuration. @throws the error of a part; then nothing has changed */
  async take(next: Config): Promise<void> {
    const before = this.#current;
    const changes = this.changesTo(next).flatMap(({ leaf, isLive }) => (isLive ? [leaf] : []));
    const applies = new Set(changes.flatMap(({ path }) => this.#keysOf(path)).map(({ apply }) => apply));
    this.#current = freeze(withLeaves(before, changes));
    try {
      for (const apply of applies) await apply();
    } catch (error) {
      this.#current = before;
      for (const apply of applies) await apply();
      throw error;
    }
  }

  #keysOf(path: readonly string[]): LiveKey[] {
    return this.#keys.filter(
      ({ pattern }) =>
        path.length >= pattern.length && pattern.every((part, depth) => part === '*' || part === path[depth]),
    );
  }
}

function withLeaves(config: Config, changes: readonly ChangedLeaf[]): Config {
  const root = structuredClone(config);
  for (const { path, after } of changes) {
    let parent = root as Record<string, unknown>;
    for (const key of path.slice(0, -1)) {
      parent[key] ??= {};
      parent = parent[key] as Record<string, unknown>;
    }
    if (after === undefined) delete parent[path.at(-1)!];
    else parent[path.at(-1)!] = structuredClone(after);
  }
  return root;
}
