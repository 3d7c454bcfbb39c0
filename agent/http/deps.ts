/** What every route is given: the server it is added to, and what it needs of the agent. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Calibration } from '../../calibration/calibration.ts';
import type { Frame, Image } from '../../models/image.ts';
import type { Decision } from '../../models/verdict.ts';
import type { Audit } from '../audit/audit.ts';
import type { Evidence } from '../evidence/evidence.ts';
import type { Past } from '../evidence/result-history.ts';
import type { Log } from '../lifecycle/log.ts';
import type { CommandHandlers } from '../publish/commands.ts';
import type { Handshake, Result, Status } from '../publish/messages.ts';
import type { RecipeView } from '../recipes/recipes.ts';
import type { CameraView, Counts } from './views.ts';

/** Schemas of a route are zod, and its handler's types follow from them. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface ReadyCheck {
  /** `camera top`, `broker`, `model`. */
  readonly name: string;
  readonly ready: boolean;
  /** Why not, in words; empty when ready. */
  readonly reason: string;
}

export interface Classification {
  readonly decision: Decision;
  readonly model: Result['model'];
  /** ms */
  readonly queueMs: number;
  readonly inferenceMs: number;
}

/** The newest results with their pictures; `createRecent` keeps them in bounded memory. */
export interface Recent {
  /** Newest first. */
  results(query: { readonly camera?: string | undefined; readonly limit: number }): readonly Result[];
  counts(camera: string): Counts;
  /** The judged picture as JPEG; undefined where it is no longer kept. */
  picture(resultId: string): Promise<Buffer | undefined>;
  /** The whole picture of the newest part that has one. */
  preview(camera: string): Promise<{ readonly jpeg: Buffer; readonly frame: Frame } | undefined>;
  /** Told of every new result until the handle is disposed of. */
  subscribe(listener: (result: Result) => void): Disposable;
}

export interface HttpDeps {
  /** Name of the station, for the page. */
  readonly station: string;
  readonly log: Log;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly recent: Recent;
  readonly past: Pick<Past, 'picture' | 'result'>;
  readonly evidence: Pick<Evidence, 'list'>;
  readonly commands: Pick<CommandHandlers, 'trigger' | 'acknowledge' | 'abort' | 'mode' | 'recipe'>;
  handshakes(): readonly Handshake[];
  /** The result of a job, waited for; undefined where it does not come in time. @throws QcError job-unknown */
  job(jobId: string, waitMs: number): Promise<Result | undefined>;
  recipes(): RecipeView[];
  status(): Status;
  readiness(): readonly ReadyCheck[];
  /** What hangs and only a restart can mend; undefined while the work goes on. */
  readonly hang?: () => string | undefined;
  cameras(): readonly CameraView[];
  /** Judges with the live model. Throws a QcError where there is none. */
  classify(image: Image): Promise<Classification>;
  /** Somebody looks at the page, or nobody any more: cameras add whole-picture previews meanwhile. */
  watch(on: boolean): void;
  readonly audit: Pick<Audit, 'record' | 'ready' | 'read'>;
  /** Something is wrong with tokens or certificate, in words; empty once it is not. */
  onNotice(what: 'tokens' | 'certificate', text: string): void;
  /** Labels, training and versions; without it their routes are not there. */
  readonly calibration?: Calibration | undefined;
}
