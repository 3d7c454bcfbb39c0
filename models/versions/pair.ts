/**
 * Base and head as a pair. The manifest of a head names the base that it was trained on; promoting a version activates both: the
 * file `active` names the version and, if `model.base` is another one, its base. The base in use is therefore
 *
 *   active.base   if `model.base` has not been changed since the version was promoted
 *   model.base    otherwise; a head of another base then does not judge
 */
import { QcError } from '../../config/errors.ts';
import type { ModelConfig } from '../../config/schema.ts';
import { openBase } from '../base.ts';
import { misfitOf } from '../head.ts';
import { installedBases } from '../hubs/installed.ts';
import type { BaseManifest } from '../manifest.ts';
import { sizedName, splitSize, withSize } from '../sized.ts';
import { type ActiveBase, type BaseFor, openStore, type Store } from './store.ts';

type BaseChoice = Pick<ModelConfig, 'base' | 'precision'>;

/** The model of the config with the base in use. @throws QcError head-damaged if it is unknown which version is active */
export async function withBaseInUse<Model extends BaseChoice>(
  model: Model,
  storageDirectory: string,
): Promise<Model> {
  const active = await (await openStore(storageDirectory)).activeBase();
  return { ...model, base: inUse(model, active) };
}

const inUse = ({ base }: BaseChoice, active: ActiveBase | undefined): string =>
  active?.insteadOf === base ? active.name : base;

/**
 * The base to start on: the one in use, or that of the latest intact version if the active version is damaged.
 * @throws QcError head-damaged if it is unknown which version is active
 */
export async function baseToStartOn(model: BaseChoice, storageDirectory: string): Promise<string> {
  const { base } = await withBaseInUse(model, storageDirectory);
  const store = await openStore(storageDirectory);
  const active = await store.active();
  if (active === undefined || (await isIntact(store, active))) return base;
  for (const version of await store.history()) {
    if (!(await isIntact(store, version))) continue;
    const { manifest } = await store.read(version);
    const own = await baseForIn(model, storageDirectory)(manifest).catch(() => ({ name: base }));
    return own?.name ?? model.base;
  }
  return base;
}

const isIntact = (store: Store, version: string) =>
  store.read(version).then(
    () => true,
    () => false,
  );

/** The model with a base to train on: a fine-tuned one has seen the labels of the held-out parts, so its frozen origin is used. */
export async function withFrozenBase<Model extends BaseChoice>(
  model: Model,
  storageDirectory: string,
): Promise<Model> {
  const { manifest } = await openBase({ base: model.base, precision: 'auto', storageDirectory });
  return manifest.fineTuned ? { ...model, base: manifest.fineTuned.from } : model;
}

/** Finds the base of a version among the configured one and those that are installed. */
export function baseForIn(model: BaseChoice, storageDirectory: string): BaseFor {
  return async (manifest) => {
    const { manifest: configured } = await openBase({ ...model, precision: 'auto', storageDirectory });
    const misfit = misfitOf(manifest, configured);
    if (!misfit) return undefined;
    // At the size that the head was trained on
    const { size } = splitSize(manifest.base.name);
    const { plain } = splitSize(model.base);
    const { manifest: own } = await openBase({ ...model, base: plain, precision: 'auto', storageDirectory });
    const installed = (await installedBases(storageDirectory)).map((base) => [base.name, base] as const);
    const found = [[plain, own] as const, ...installed].find(
      ([, base]) => !misfitOf(manifest, withSize(base, size)),
    );
    if (!found) throw misfit;
    const [name] = found;
    return { name: size ? sizedName(name, size) : name, insteadOf: model.base };
  };
}

/** The manifest of an installed base, also at another size. @throws QcError model-missing, base-in-use, base-size */
export async function requireInstalled(
  base: string,
  model: BaseChoice,
  storageDirectory: string,
): Promise<BaseManifest> {
  const { plain } = splitSize(base);
  const installed = await installedBases(storageDirectory);
  if (!installed.some(({ name }) => name === plain)) {
    throw new QcError('model-missing', `there is no base named "${plain}"`, {
      remedy: `use one of: ${installed.map(({ name }) => name).join(', ')}; or import it: qc-agent models import`,
    });
  }
  const { manifest: found } = await openBase({ base, precision: 'auto', storageDirectory });
  const inUse = await withBaseInUse(model, storageDirectory);
  const { manifest } = await openBase({ ...inUse, precision: 'auto', storageDirectory });
  if (manifest.sha256 === found.sha256) throw new QcError('base-in-use', `${base} is in use already`);
  return found;
}
