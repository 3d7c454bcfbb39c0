/** How a candidate in the shadow agrees with the active head, part by part. */
import type { ShadowView } from '../views.ts';
import type { PublishedResult, ShadowDecision } from './observation.ts';

export interface ShadowMetrics {
  readonly shadowParts: { inc(labels: { readonly outcome: 'agrees' | 'disagrees' }): void };
}

export interface Shadow {
  /** Counts one part; true where the candidate decided otherwise. */
  see(result: PublishedResult, said: ShadowDecision): boolean;
  /** A version that is tried out from now on, or none. */
  begin(version: string | null): void;
  view(): ShadowView | null;
}

const mostShown = 20;

export function createShadow(metrics: ShadowMetrics): Shadow {
  let now: ShadowView | null = null;
  return {
    see({ resultId, camera, verdict, label }, { version, decision }) {
      // What was asked before another candidate came is not held against that one.
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
        newest: agrees ? now.newest : [difference, ...now.newest].slice(0, mostShown),
      };
      return !agrees;
    },
    begin(version) {
      now = version === null ? null : { version, judged: 0, disagreements: 0, newest: [] };
    },
    view: () => now,
  };
}
