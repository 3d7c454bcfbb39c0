/** Compares the decisions of the shadow version with those of the active one. */
import type { ShadowView } from '../views.ts';
import type { PublishedResult, ShadowDecision } from './observation.ts';

export interface ShadowMetrics {
  readonly shadowParts: { inc(labels: { readonly outcome: 'agrees' | 'disagrees' }): void };
}

export interface Shadow {
  /** Counts one part; true if the shadow version decided differently. */
  see(result: PublishedResult, said: ShadowDecision): boolean;
  /** Starts with a version, or ends with null. */
  begin(version: string | null): void;
  view(): ShadowView | null;
}

const maxShown = 20;

export function createShadow(metrics: ShadowMetrics): Shadow {
  let now: ShadowView | null = null;
  return {
    see({ resultId, camera, verdict, label }, { version, decision }) {
      // A late decision of a previous shadow version is not compared.
      if (now?.version !== version) return false;
      const agrees = decision.verdict === verdict && (verdict !== 'fail' || decision.label === label);
      metrics.shadowParts.inc({ outcome: agrees ? 'agrees' : 'disagrees' });
      const difference = {
        resultId,
        camera,
        active: verdict,
        activeLabel: label,
        shadow: decision.verdict,
        shadowLabel: decision.label,
      };
      now = {
        version,
        judged: now.judged + 1,
        disagreements: now.disagreements + (agrees ? 0 : 1),
        newest: agrees ? now.newest : [difference, ...now.newest].slice(0, maxShown),
      };
      return !agrees;
    },
    begin(version) {
      now = version === null ? null : { version, judged: 0, disagreements: 0, newest: [] };
    },
    view: () => now,
  };
}
