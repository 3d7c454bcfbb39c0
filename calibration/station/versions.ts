/** Lists, promotes, rolls back and discards versions, and records these decisions. */

import { check } from '../../config/check.ts';
import { QcError } from '../../config/errors.ts';
import {
  type Decision,
  readDecisions,
  recordDecision,
  requireAllowed,
} from '../../models/versions/decisions.ts';
import { type ListedVersion, openStore } from '../../models/versions/store.ts';
import type { PromotionReasons, RollbackRequest } from '../calibration.ts';
import { type Report, reportSchema } from '../train/report.ts';
import type { VersionView } from '../views.ts';
import type { Log } from './log.ts';

/** The active head of the line, which can be changed without a restart. */
export interface LiveHead {
  /** A version that does not fit the base is refused, and the active one stays. */
  promote(version: string): Promise<void>;
  rollback(): Promise<void>;
}

export interface Versions {
  /** Newest first. */
  list(): Promise<VersionView[]>;
  /** The newest version, if it is intact and was neither promoted nor discarded. */
  candidate(all: readonly VersionView[]): Promise<string | null>;
  /** @throws QcError version-unknown if it has no report */
  report(version: string): Promise<Report>;
  /** @throws QcError version-unknown, head-damaged, gate-refused */
  promote(version: string, by: string, why: PromotionReasons): Promise<void>;
  /** @throws QcError version-unknown, rollback-moved */
  rollback(by: string, asked: RollbackRequest): Promise<{ readonly version: string }>;
  discard(version: string, by: string): Promise<void>;
}

export function createVersions(
  directory: string,
  { log, model }: { readonly log: Log; readonly model: () => Promise<LiveHead> },
): Versions {
  const open = () => openStore(directory);
  const historyOf = async () => (await open()).history().catch((): string[] => []);

  return {
    async list() {
      const listed = (await (await open()).list()).toReversed();
      const [before] = await historyOf();
      const decisions = await readDecisions(directory);
      return listed.map((one) => ({
        ...viewOf(one),
        isBefore: one.version === before,
        decisions: decisionsOf(one.version, decisions),
      }));
    },
    async candidate([newest]) {
      if (!newest || newest.active || newest.damage !== null) return null;
      const { version } = newest;
      const decided = (await readDecisions(directory)).some((one) => one.version === version);
      return decided || (await historyOf()).includes(version) ? null : version;
    },
    async report(version) {
      const report = check(reportSchema, await (await open()).report(version));
      if (report.success) return report.data;
      throw new QcError('version-unknown', `version ${version} has no report`);
    },
    async promote(version, by, { override, reason }) {
      const store = await open();
      const { manifest } = await store.read(version);
      if (override === undefined) {
        requireAllowed(manifest, await store.active().catch(() => undefined), await historyOf());
      }
      await (await model()).promote(version);
      const action = override === undefined ? 'promote' : 'override';
      const why = override ?? (reason || undefined);
      await recordDecision(directory, { by, version, action, ...(why !== undefined && { reason: why }) });
      log.info({ version, by, override, reason }, 'a version was promoted');
    },
    async rollback(by, { to, reason }) {
      const [before] = await historyOf();
      if (to !== undefined && before !== undefined && before !== to) {
        throw new QcError('rollback-moved', `a rollback would now go to ${before}, not to ${to}`);
      }
      await (await model()).rollback();
      const version = (await (await open()).active()) ?? 'none';
      await recordDecision(directory, {
        by,
        version,
        action: 'rollback' as const,
        ...(reason && { reason }),
      });
      log.info({ version, by, reason }, 'rolled back');
      return { version };
    },
    async discard(version, by) {
      await (await open()).read(version);
      await recordDecision(directory, { by, version, action: 'discard' });
    },
  };
}

/** Maximum number of decisions shown per version. */
const maxDecisions = 20;

function decisionsOf(version: string, all: readonly Decision[]): VersionView['decisions'] {
  const own = all.filter((one) => one.version === version).slice(-maxDecisions);
  return own.toReversed().map(({ at, by, action, reason = null }) => ({ at, by, action, reason }));
}

function viewOf(listed: ListedVersion): Omit<VersionView, 'isBefore' | 'decisions'> {
  const { version, active } = listed;
  if ('damage' in listed) return { ...nothingKnown, version, active, damage: listed.damage };
  const { createdAt, labels, training } = listed.manifest;
  const number = (value: unknown) => (typeof value === 'number' ? value : null);
  const text = (value: unknown) => (typeof value === 'string' ? value : null);
  return {
    version,
    active,
    createdAt,
    labels,
    damage: null,
    by: text(training.by),
    frames: number(training.frames),
    accuracy: number(training.accuracy),
    allowed: typeof training.allowed === 'boolean' ? training.allowed : null,
    gate: text(training.gate),
  };
}

const nothingKnown = {
  createdAt: null,
  by: null,
  labels: [],
  frames: null,
  accuracy: null,
  allowed: null,
  gate: null,
};
