/** The challenge test of the station. */
import { type Challenge, openChallenge } from '../challenge/challenge.ts';
import type { Core } from './core.ts';
import type { ModelStage } from './model.ts';
import type { Records } from './records.ts';

export async function openChallengeStage(
  { config, log, metrics, station }: Core,
  { model, records }: { readonly model: ModelStage; readonly records: Records },
): Promise<Challenge> {
  metrics.expectChallenge(Object.keys(config.cameras));
  const challenge = await openChallenge(config.challenge, {
    log,
    storageDirectory: config.storage.directory,
    cameras: config.cameras,
    recipe: () => model.inForce.active,
    audit: records.audit,
    observer: metrics.challengeObserver,
    onChange(degraded) {
      station.notice('challenge', degraded);
      station.changed();
    },
  });
  station.watch({ challenge: () => challenge.view });
  station.changed();
  return challenge;
}
