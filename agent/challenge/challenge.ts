/**
 * The challenge test ("red rabbit"): the station must classify parts that are known to be good or bad. States that must hold:
 *
 * - A test that has started ends as passed, failed or cancelled. The record says that it is running before the first part is
 *   taken; if the agent ends meanwhile, the next start finds that and the test has failed.
 * - A camera has passed only after the record on disk says so.
 * - Failed or overdue is told as a reason of `degraded` until a test of the same camera succeeds.
 */
import { QcError } from '../../config/errors.ts';
import type { ChallengeConfig } from '../../config/schema.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';
import type { Audit } from '../audit/audit.ts';
import type { AuditDraft } from '../audit/entry.ts';
import type { KnownPart, Part } from '../inspect.ts';
import type { Log } from '../lifecycle/log.ts';
import type { ChallengeMark, ChallengeView, Commands, Result } from '../publish/messages.ts';
import { type ChallengeRecord, emptyRecord, readRecord, writeRecord } from './record.ts';
import { assess } from './rule.ts';
import { Run, type Step } from './run.ts';
import { degradation, type Standing, standingOf, viewOf } from './standing.ts';

export interface ChallengeDeps {
  readonly log: Log;
  readonly storageDirectory: string;
  /** All cameras, with the kind of their trigger. */
  readonly cameras: Readonly<Record<string, { readonly trigger: { readonly kind: string } }>>;
  /** The active recipe. */
  readonly recipe: () => string;
  readonly audit: Pick<Audit, 'record'>;
  readonly observer: ChallengeObserver;
  /** Called when the view has changed. @param degraded why the station is degraded; empty if it is not */
  readonly onChange: (degraded: string) => void;
  /** ms since the epoch; default: the clock of the machine. */
  readonly now?: () => number;
  /** How often due times are looked at, ms. */
  readonly everyMs?: number;
}

export interface ChallengeObserver {
  part(step: Step, outcome: ChallengeMark['outcome']): void;
  ended(outcome: 'passed' | 'failed' | 'cancelled'): void;
  state(view: ChallengeView, degraded: string): void;
}

export interface Challenge extends AsyncDisposable {
  /** Undefined if no test is scheduled and none was ever started. */
  readonly view: ChallengeView | undefined;
  /** @throws QcError challenge-running, challenge-idle, challenge-unsaved, camera-unknown */
  carryOut(command: Pick<Commands['challenge'], 'action' | 'camera'>): Promise<void>;
  /** Call for each part when it is found: defined if it is the expected part of a test. */
  known(camera: string, part: Part): KnownPart | undefined;
}

/** Never throws: a record that cannot be read counts as a failed test. */
export async function openChallenge(config: ChallengeConfig, deps: ChallengeDeps): Promise<Challenge> {
  const { storageDirectory, observer, now = () => Date.now(), everyMs = 1_000 } = deps;
  const log = deps.log.child({ component: 'challenge' });
  const tested = config.cameras ?? Object.keys(deps.cameras);
  let record: ChallengeRecord = emptyRecord;
  let run: Run | undefined;
  let isStarting = false;
  let saving: Promise<unknown> = Promise.resolve();
  let told = '';

  /** Durable once it resolves; writes keep their order. @throws file system errors */
  function write(next: ChallengeRecord): Promise<void> {
    const saved = saving.then(() => writeRecord(storageDirectory, next));
    saving = saved.catch(() => undefined);
    return saved;
  }
  /** For changes that are safe to lose: the disk then still says that a test is running or due. */
  function saveIfPossible(next: ChallengeRecord): Promise<void> {
    record = next;
    return write(next).catch((error: Error) =>
      log.error({ err: error }, 'the challenge test cannot be recorded'),
    );
  }

  const standing = (): Standing => standingOf({ config, tested, record, now: now() });

  function changed(): void {
    const shown = standing();
    const view = viewOf(shown, run, { config, recipe: deps.recipe() });
    const degraded = degradation(shown);
    const text = JSON.stringify([view, degraded]);
    if (text === told) return;
    told = text;
    observer.state(view, degraded);
    deps.onChange(degraded);
  }

  async function recordEnd(outcome: AuditDraft['outcome'], what: AuditDraft['what']): Promise<void> {
    const code = outcome === 'failed' ? 'challenge-failed' : null;
    await deps.audit.record({
      who: 'agent',
      role: null,
      from: 'agent',
      action: 'challenge-result',
      what: { ...what, recipe: deps.recipe() },
      outcome,
      code,
    });
  }

  async function fail(cameras: readonly string[], reason: string): Promise<void> {
    run = undefined;
    const failed = { at: now(), reason: reason.slice(0, 500) };
    const failures = cameras.map((name) => [
      name,
      { passedAt: record.cameras[name]?.passedAt ?? null, failed },
    ]);
    const cameraRecords = { ...record.cameras, ...Object.fromEntries(failures) };
    const saved = saveIfPossible({ ...record, running: null, cameras: cameraRecords });
    changed();
    observer.ended('failed');
    log.warn({ cameras }, `the challenge test failed: ${reason}`);
    await saved;
    await recordEnd('failed', { result: 'failed', cameras: cameras.join(', '), reason: failed.reason });
  }

  async function pass(ended: Run): Promise<void> {
    const { cameras } = ended.options;
    const passed = cameras.map((name) => [name, { passedAt: now(), failed: null }]);
    const next = {
      ...record,
      running: null,
      cameras: { ...record.cameras, ...Object.fromEntries(passed) },
    };
    try {
      await write(next);
    } catch (error) {
      return fail(cameras, `its success could not be stored: ${(error as Error).message}`);
    }
    // It was cancelled meanwhile, or a late result was wrong: then that was written after this.
    if (run !== ended) return;
    record = next;
    run = undefined;
    changed();
    observer.ended('passed');
    log.info({ cameras }, 'the challenge test has passed');
    await recordEnd('done', { result: 'passed', cameras: cameras.join(', ') });
  }

  async function settle(of: Run, step: Step, result: Result): Promise<void> {
    const { challenge } = result;
    if (!challenge) return;
    observer.part(step, challenge.outcome);
    if (challenge.outcome === 'wrong') {
      // Also after the test was cancelled: what was seen counts.
      const verdict = challenge.judged === 'pass' ? 'would have passed' : `was judged ${challenge.judged}`;
      return fail([step.camera], `a part known to be ${step.part} ${verdict} (result ${result.resultId})`);
    }
    if (run !== of) return;
    if (challenge.outcome === 'not-counted') of.again(monotonicMs(), result.reasons.join('; '));
    else of.next(monotonicMs());
    if (of.step) changed();
    else await pass(of);
  }

  async function start(camera: string | undefined): Promise<void> {
    if (run || isStarting) throw new QcError('challenge-running', 'a challenge test is already running');
    if (camera !== undefined && !Object.hasOwn(deps.cameras, camera)) {
      const remedy = `use one of: ${Object.keys(deps.cameras).join(', ')}`;
      throw new QcError('camera-unknown', `there is no camera "${camera}"`, { remedy });
    }
    const started = new Run({
      cameras: camera === undefined ? tested : [camera],
      good: config.good,
      bad: config.bad,
      isContinuous: (name) => deps.cameras[name]?.trigger.kind === 'continuous',
      startedAt: monotonicMs(),
      startedAtWall: now(),
    });
    isStarting = true;
    const running = { startedAt: started.options.startedAtWall, cameras: [...started.options.cameras] };
    try {
      await write({ ...record, running });
    } catch (cause) {
      const message = `the challenge test cannot be recorded: ${(cause as Error).message}`;
      throw new QcError('challenge-unsaved', message, { cause });
    } finally {
      isStarting = false;
    }
    record = { ...record, running };
    run = started;
  }

  async function cancel(): Promise<void> {
    if (!run) throw new QcError('challenge-idle', 'no challenge test is running');
    run = undefined;
    observer.ended('cancelled');
    await saveIfPossible({ ...record, running: null });
  }

  function tick(): void {
    const limitMs = config.withinMinutes * 60_000;
    // Without an expected part, its success is being stored.
    if (run?.step && monotonicMs() - run.options.startedAt > limitMs) {
      const { camera, part } = run.step;
      const missing = `the ${part} part at camera ${camera} is missing`;
      void fail(run.options.cameras, `it did not end within ${config.withinMinutes} minutes: ${missing}`);
    }
    changed();
  }

  const read = await readRecord(storageDirectory);
  record = read.record;
  const isScheduled = config.times.length > 0;
  if (isScheduled !== (record.scheduledSince !== null))
    await saveIfPossible({ ...record, scheduledSince: isScheduled ? now() : null });
  if (read.fault !== undefined) await fail(tested, read.fault);
  else if (record.running) await fail(record.running.cameras, 'the agent ended during the test');
  changed();
  const timer = setInterval(tick, everyMs);

  return {
    get view() {
      const isUsed = isScheduled || run !== undefined || Object.keys(record.cameras).length > 0;
      return isUsed ? viewOf(standing(), run, { config, recipe: deps.recipe() }) : undefined;
    },
    async carryOut({ action, camera }) {
      if (action === 'start') await start(camera);
      else if (action === 'cancel') await cancel();
      else if (run) run.placed(monotonicMs());
      else throw new QcError('challenge-idle', 'no challenge test is running');
      changed();
    },
    known(camera, part) {
      const { step } = run ?? {};
      if (!run?.take(camera, part) || !step) return undefined;
      const of = run;
      return {
        assess: (judged) => assess(step.part, judged, config.acceptUncertain),
        settle: (result) =>
          settle(of, step, result).catch((error: Error) =>
            log.error({ err: error }, 'a part of the challenge test could not be recorded'),
          ),
      };
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await saving;
    },
  };
}
