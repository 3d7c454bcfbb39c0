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
import { type ActiveBase, type BaseFor, openStore } from './store.ts';

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

/** Finds the base of a version among the configured one and those that are installed. */
export function baseForIn(model: BaseChoice, storageDirectory: string): BaseFor {
  return async (manifest) => {
    const { manifest: configured } = await openBase({ ...model, precision: 'auto', storageDirectory });
    const misfit = misfitOf(manifest, configured);
    if (!misfit) return undefined;
    const own = (await installedBases(storageDirectory)).find((base) => !misfitOf(manifest, base));
    if (!own) throw misfit;
    return { name: own.name, insteadOf: model.base };
  };
}

/** The manifest of an installed base. @throws QcError model-missing, base-in-use */
export async function requireInstalled(
  base: string,
  model: BaseChoice,
  storageDirectory: string,
): Promise<BaseManifest> {
  const installed = await installedBases(storageDirectory);
  const found = installed.find(({ name }) => name === base);
  if (!found) {
    throw new QcError('model-missing', `there is no base named "${base}"`, {
      remedy: `use one of: ${installed.map(({ name }) => name).join(', ')}; or import it: qc-agent models import`,
    });
  }
  const inUse = await withBaseInUse(model, storageDirectory);
  const { manifest } = await openBase({ ...inUse, precision: 'auto', storageDirectory });
  if (manifest.sha256 === found.sha256) throw new QcError('base-in-use', `${base} is in use already`);
  return found;
}
