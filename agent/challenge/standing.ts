/** Where the station stands: what its record and its schedule mean at a point in time. */
import type { ChallengeConfig } from '../../config/schema.ts';
import type { ChallengeView } from '../publish/messages.ts';
import type { ChallengeRecord } from './record.ts';
import type { Run } from './run.ts';
import { newestDue } from './schedule.ts';

/** A success this far in the future, ms, comes from a clock that was wrong: it does not count. */
const maxAheadMs = 3_600_000;

export interface Standing {
  /** Why cameras have failed, by camera. */
  readonly failures: readonly { readonly camera: string; readonly reason: string }[];
  /** Cameras that have not passed since the test was due. */
  readonly missing: readonly string[];
  /** Until when they must have passed, ms since the epoch. */
  readonly deadline: number | undefined;
  readonly isOverdue: boolean;
  /** When all tested cameras had passed last; undefined if one never has. */
  readonly passedAt: number | undefined;
}

export interface StandingParts {
  readonly config: Pick<ChallengeConfig, 'times' | 'withinMinutes'>;
  readonly tested: readonly string[];
  readonly record: ChallengeRecord;
  /** ms since the epoch */
  readonly now: number;
}

/** A station that was given a schedule is due at once, so that it never counts as tested without a test. */
export function standingOf({ config, tested, record, now }: StandingParts): Standing {
  const { times, withinMinutes } = config;
  const since = times.length > 0 ? record.scheduledSince : null;
  const due = since === null ? undefined : Math.max(since, newestDue(times, now) ?? since);
  const passed = tested.map((camera) => record.cameras[camera]?.passedAt ?? undefined);
  const isMissing = (_: string, i: number) => {
    const at = passed[i];
    return due !== undefined && (at === undefined || at < due || at > now + maxAheadMs);
  };
  const missing = tested.filter(isMissing);
  const deadline = due === undefined || missing.length === 0 ? undefined : due + withinMinutes * 60_000;
  const isPassed = passed.every((at) => at !== undefined);
  return {
    failures: tested.flatMap((camera) => {
      const failed = record.cameras[camera]?.failed;
      return failed ? [{ camera, reason: failed.reason }] : [];
    }),
    missing,
    deadline,
    isOverdue: deadline !== undefined && now >= deadline,
    passedAt: isPassed ? Math.min(...passed.map((at) => at ?? 0)) : undefined,
  };
}

/** Why the station is degraded; empty if it is not. */
export function degradation({ failures, missing, deadline, isOverdue }: Standing): string {
  const failed = failures.map(({ camera, reason }) => `camera ${camera}: ${reason}`);
  if (failed.length > 0) return `the challenge test failed, repeat it: ${failed.join('; ')}`;
  if (!isOverdue || deadline === undefined) return '';
  const since = new Date(deadline).toISOString();
  return `the challenge test is overdue since ${since} for camera ${missing.join(', ')}: start it`;
}

export function viewOf(
  standing: Standing,
  run: Run | undefined,
  { config, recipe }: { readonly config: Pick<ChallengeConfig, 'withinMinutes'>; readonly recipe: string },
): ChallengeView {
  const { failures, missing, isOverdue, passedAt } = standing;
  const step = run?.step;
  const deadline = run ? run.options.startedAtWall + config.withinMinutes * 60_000 : standing.deadline;
  const state = () => {
    if (run) return 'running';
    if (failures.length > 0) return 'failed';
    if (missing.length > 0) return isOverdue ? 'overdue' : 'due';
    return passedAt === undefined ? 'none' : 'passed';
  };
  return {
    state: state(),
    reason: degradation(standing),
    ...(deadline !== undefined && { deadline: new Date(deadline).toISOString() }),
    ...(passedAt !== undefined && { passedAt: new Date(passedAt).toISOString() }),
    ...(run &&
      step && {
        expected: {
          camera: step.camera,
          recipe,
          part: step.part,
          step: run.number,
          steps: run.steps.length,
          waitsForPlaced: run.waitsForPlaced,
          remark: run.remark,
        },
      }),
  };
}
