/** Commands of a PLC, a script or a person to the running agent; refusals are thrown as QcError. */
import type { Calibration } from '../calibration/calibration.ts';
import { QcError } from '../config/errors.ts';
import type { Challenge } from './challenge/challenge.ts';
import type { Handshake } from './handshake/handshake.ts';
import type { Commands } from './publish/messages.ts';
import type { Recipes } from './recipes/recipes.ts';

type TriggeredParts = Pick<Handshake, 'trigger' | 'acknowledge' | 'abort'>;

export interface ControlDeps {
  readonly station: { calibrating: boolean };
  /** Stores the mode for the next start; errors are reported elsewhere. */
  readonly saveMode: (calibrating: boolean) => Promise<void>;
  /** By camera; filled as cameras are opened. */
  readonly inspections: ReadonlyMap<string, { readonly handshake: TriggeredParts | undefined }>;
  /** Resolves once the model is loaded. */
  readonly model: Promise<unknown>;
  readonly calibration: Pick<Calibration, 'label' | 'promote' | 'rollback'>;
  readonly recipes: Pick<Recipes, 'require' | 'use'>;
  readonly challenge: Pick<Challenge, 'carryOut'>;
}

export interface Control {
  trigger(command: Commands['trigger']): Promise<{ jobId: string; repeated?: true }>;
  acknowledge(command: Commands['acknowledge']): Promise<object>;
  abort(command: Commands['abort']): Promise<object>;
  mode(command: Commands['mode']): Promise<object>;
  label(command: Commands['label']): Promise<object>;
  recipe(command: Commands['recipe']): Promise<object>;
  model(command: Commands['model']): Promise<object>;
  challenge(command: Commands['challenge']): Promise<object>;
}

export function createControl(deps: ControlDeps): Control {
  const triggered = (camera: string): TriggeredParts => {
    const inspection = deps.inspections.get(camera);
    if (!inspection) {
      throw new QcError('camera-unknown', `there is no camera "${camera}"`, {
        remedy: `use one of: ${[...deps.inspections.keys()].join(', ')}`,
      });
    }
    if (!inspection.handshake) throw new QcError('not-triggered', `${camera} detects parts automatically`);
    return inspection.handshake;
  };
  return {
    async trigger({ camera, partId, recipe, requestId }) {
      const parts = triggered(camera);
      if (recipe !== undefined) await deps.recipes.require(recipe);
      return parts.trigger({ partId, recipe, requestId });
    },
    async acknowledge({ camera, jobId }) {
      triggered(camera).acknowledge(jobId);
      return {};
    },
    async abort({ camera, jobId }) {
      triggered(camera).abort(jobId);
      return {};
    },
    async mode({ mode }) {
      const calibrating = mode === 'calibration';
      deps.station.calibrating = calibrating;
      await deps.saveMode(calibrating);
      return {};
    },
    async label({ resultId, label }) {
      await deps.calibration.label({ resultId, label }, { by: 'mqtt' });
      return {};
    },
    async recipe({ recipe }) {
      await deps.recipes.use(recipe);
      return {};
    },
    async model({ action, version }) {
      await deps.model;
      if (action === 'rollback') await deps.calibration.rollback('mqtt', {});
      else if (version === undefined) throw new QcError('command-invalid', 'promote needs a version');
      else await deps.calibration.promote(version, 'mqtt', {});
      return {};
    },
    async challenge(command) {
      await deps.challenge.carryOut(command);
      return {};
    },
  };
}
