/** Dependencies of the routes: the server and the agent. */
import type { Calibration } from '../../calibration/calibration.ts';
import type { Image } from '../../models/image.ts';
import type { Audit } from '../audit/audit.ts';
import type { Evidence } from '../evidence/evidence.ts';
import type { ResultHistory } from '../evidence/result-history.ts';
import type { Log } from '../lifecycle/log.ts';
import type { Classification } from '../live-model.ts';
import type { CommandHandlers } from '../publish/commands.ts';
import type { ChallengeView, Handshake, Result, Status } from '../publish/messages.ts';
import type { RecipeView } from '../recipes/recipes.ts';
import type { Settings } from '../settings/settings.ts';
import type { Statistics } from '../statistics/statistics.ts';
import type { AimCamera } from './aim-channel.ts';
import type { Recent } from './recent.ts';
import type { SetupTools } from './setup-tools.ts';
import type { CameraView } from './views.ts';

export interface ReadyCheck {
  /** `camera top`, `broker`, `model`. */
  readonly name: string;
  readonly ready: boolean;
  /** Why not; empty if ready. */
  readonly reason: string;
}

export interface HttpDeps {
  /** Name of the station, for the page. */
  readonly station: string;
  readonly log: Log;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly recent: Recent;
  readonly past: Pick<ResultHistory, 'picture' | 'result' | 'map'>;
  readonly evidence: Pick<Evidence, 'list'>;
  readonly statistics: Pick<Statistics, 'report' | 'changes' | 'downtime'>;
  readonly commands: Pick<
    CommandHandlers,
    'trigger' | 'acknowledge' | 'abort' | 'mode' | 'recipe' | 'challenge'
  >;
  /** State of the challenge test; undefined if none is scheduled and none was ever started. */
  challenge(): ChallengeView | undefined;
  handshakes(): readonly Handshake[];
  /** Waits for the result of a job; undefined if it does not arrive in time. @throws QcError job-unknown */
  job(jobId: string, waitMs: number): Promise<Result | undefined>;
  recipes(): RecipeView[];
  status(): Status;
  readiness(): readonly ReadyCheck[];
  /** What hangs and can only be fixed by a restart; undefined if nothing does. */
  readonly hang?: () => string | undefined;
  cameras(): readonly CameraView[];
  /** A camera for people who aim it; undefined if there is none of this name. */
  aim(camera: string): AimCamera | undefined;
  /** Judges with the live model. @throws QcError if there is none */
  classify(image: Image): Promise<Classification>;
  /** Whether a page is open: cameras then add previews of the whole image. */
  watch(on: boolean): void;
  readonly audit: Pick<Audit, 'record' | 'ready' | 'read'>;
  /** Reports what is wrong with tokens or certificate; an empty text withdraws it. */
  onNotice(what: 'tokens' | 'certificate', text: string): void;
  /** The configuration file; without it its routes do not exist. */
  readonly settings?: Settings | undefined;
  /** Checks of the guide for the set-up; without them their routes do not exist. */
  readonly setup?: SetupTools | undefined;
  /** Labels, training and versions; without it their routes do not exist. */
  readonly calibration?: Calibration | undefined;
}
