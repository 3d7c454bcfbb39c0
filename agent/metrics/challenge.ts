/** Metrics of the challenge test. */
import { type ChallengeView, challengePart, challengeState } from '../publish/messages.ts';
import type { Declare } from './declare.ts';

const outcomes = ['passed', 'failed', 'cancelled'] as const;

export function declareChallenge({ counter, gauge }: Declare) {
  const ok = gauge('qc_challenge_ok', '0 while the challenge test has failed or is overdue, else 1');
  const state = gauge('qc_challenge_state', '1 for the current state of the challenge test', ['state']);
  const passedAt = gauge(
    'qc_challenge_passed_timestamp_seconds',
    'When all tested cameras had last passed the challenge test; 0 if one never has',
  );
  const runs = counter('qc_challenge_runs_total', 'Challenge tests by outcome', ['outcome']);
  const parts = counter('qc_challenge_parts_total', 'Parts of challenge tests', [
    'camera',
    'part',
    'outcome',
  ]);
  return {
    /** Counters start at 0, so that the first event is an increase. */
    expectChallenge(cameras: readonly string[]): void {
      for (const outcome of outcomes) runs.inc({ outcome }, 0);
      for (const camera of cameras)
        for (const part of challengePart.options) parts.inc({ camera, part, outcome: 'wrong' }, 0);
    },
    challengeObserver: {
      part: ({ camera, part }: { camera: string; part: string }, outcome: string) =>
        parts.inc({ camera, part, outcome }),
      ended: (outcome: (typeof outcomes)[number]) => runs.inc({ outcome }),
      state(view: ChallengeView, degraded: string): void {
        ok.set(degraded === '' ? 1 : 0);
        for (const one of challengeState.options) state.set({ state: one }, one === view.state ? 1 : 0);
        passedAt.set(view.passedAt === undefined ? 0 : Date.parse(view.passedAt) / 1000);
      },
    },
  };
}
