/** What a PLC, a script or a person may ask of the running agent; refusals are thrown as QcError. */
import type { Calibration } from '../calibration/api.ts';
import { QcError } from '../config/errors.ts';
import type { OpenParts } from './part/parts.ts';
import type { Commands } from './publish/messages.ts';
import type { Recipes } from './recipes/recipes.ts';

export interface ControlDeps {
  readonly station: { calibrating: boolean };
  /** By camera; appears as cameras are opened. */
  readonly inspections: ReadonlyMap<string, { readonly parts: Pick<OpenParts, 'trigger'> }>;
  /** Resolves once the model is loaded. */
  readonly model: Promise<unknown>;
  readonly calibration: Pick<Calibration, 'label' | 'promote' | 'rollback'>;
  readonly recipes: Pick<Recipes, 'require' | 'use'>;
}

export interface Control {
  trigger(command: Commands['trigger']): Promise<{ jobId: string }>;
  mode(command: Commands['mode']): Promise<object>;
  label(command: Commands['label']): Promise<object>;
  recipe(command: Commands['recipe']): Promise<object>;
  model(command: Commands['model']): Promise<object>;
}

export function createControl(deps: ControlDeps): Control {
  return {
    async trigger({ camera, partId, recipe }) {
      const inspection = deps.inspections.get(camera);
      if (!inspection) {
        throw new QcError('camera-unknown', `there is no camera "${camera}"`, {
          remedy: `use one of: ${[...deps.inspections.keys()].join(', ')}`,
        });
      }
      if (recipe !== undefined) await deps.recipes.require(recipe);
      return await inspection.parts.trigger({ partId, recipe });
    },
    async mode({ mode }) {
      deps.station.calibrating = mode === 'calibration';
      return {};
    },
    async label({ resultId, label }) {
      await deps.calibration.label({ resultId, label }, 'mqtt');
      return {};
    },
    async recipe({ recipe }) {
      await deps.recipes.use(recipe);
      return {};
    },
    async model({ action, version }) {
      await deps.model;
      if (action === 'rollback') await deps.calibration.rollback('mqtt');
      else if (version === undefined) throw new QcError('command-invalid', 'promote needs a version');
      else await deps.calibration.promote(version, undefined, 'mqtt');
      return {};
    },
  };
}
