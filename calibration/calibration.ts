/** The interface of calibration for the HTTP routes. */
import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { BaseView, CompareRequest, ComparingView, SwitchRequest } from './compare/views.ts';
import type { Outcome } from './dataset/dataset.ts';
import type { LabelChange } from './dataset/label-change.ts';
import type { Marking } from './dataset/marking.ts';
import type { Author } from './dataset/state.ts';
import type { CatalogueView, ImportAsked, InstallingView, PullAsked } from './install/views.ts';
import type { Answered, LabelRequest } from './station/labels.ts';
import type { Studies } from './study/studies.ts';
import type * as views from './views.ts';

export interface PromotionReasons {
  /** Reason for promoting it although the gate refused it. */
  readonly override?: string | undefined;
  /** Reason, for the record. */
  readonly reason?: string | undefined;
}

export interface RollbackRequest {
  /** The expected version; refused if the rollback would activate another one. */
  readonly to?: string | undefined;
  /** Reason, for the record. */
  readonly reason?: string | undefined;
}

/** Pre-trained networks and which of them is in use. All methods throw QcError. */
export interface Bases {
  /** The one in use first. */
  list(): Promise<BaseView[]>;
  comparing(): Promise<ComparingView>;
  /** Starts and returns at once. @throws QcError training-busy */
  compare(request: CompareRequest, by: string): Promise<void>;
  /** Does nothing if no comparison runs. */
  cancelComparison(): Promise<void>;
  /** What can be pulled by name. */
  catalogue(): Promise<CatalogueView>;
  installing(): InstallingView;
  /** Starts and returns at once. @throws QcError download-busy, hub-address, base-exists, licence-refused */
  pull(request: PullAsked, by: string): Promise<void>;
  /**
   * Returns when all bytes have arrived; the import continues.
   * @param bytes as announced @throws QcError download-busy, download-too-large, disk-too-small, base-exists
   */
  upload(body: Readable, bytes: number | undefined, request: ImportAsked, by: string): Promise<void>;
  /** Does nothing if nothing is being installed. */
  cancelInstalling(): Promise<void>;
  /** Starts training on another base and returns at once. @throws QcError model-missing, base-in-use, training-busy */
  switch(request: SwitchRequest, by: string): Promise<void>;
}

/** All methods throw QcError. `by` and `author` are recorded. */
export interface Calibration {
  readonly bases: Bases;
  /** Agreement studies: attribute gage R&R. */
  readonly studies: Studies;
  overview(author: Author): Promise<views.Overview>;
  /**
   * Parts to label, the most informative first, without those that are reserved for others.
   * @param holder the first ones are reserved for this person, so that nobody else is offered them
   */
  candidates(limit: number, holder: Author | undefined): Promise<views.CandidateView[]>;
  /** Ends the reservations of a person. */
  leave(holder: Author): void;
  /** Calls the listener for every answer until the handle is disposed of. */
  onAnswer(listener: (answered: Answered) => void): Disposable;
  /** PNG of a candidate or of a result whose image is still available. @throws QcError label-unavailable */
  resultImage(resultId: string): Promise<Buffer>;
  /**
   * Labels a candidate or corrects a past result. `ifUnlabelled` refuses if it has been labelled meanwhile.
   * @throws QcError label-invalid, marks-on-good, label-unavailable, candidate-gone, dataset-busy, dataset-write-failed
   */
  label(request: LabelRequest, author: Author): Promise<{ readonly id: string; readonly outcome: Outcome }>;
  /** The candidate is not offered again. */
  skip(resultId: string, author: Author): Promise<void>;
  /** Newest first; `after` is the `next` of the page before. */
  frames(query: {
    readonly label?: string | undefined;
    readonly after?: string | undefined;
    readonly limit: number;
  }): Promise<views.FramesPage>;
  /** PNG. @throws QcError frame-unknown */
  image(id: string): Promise<Buffer>;
  /** The marks of a frame. @throws QcError frame-unknown */
  marks(id: string): Promise<views.MarksView>;
  /** Labelled defects without a mark that were judged wrong or uncertain in the newest training, the worst first. */
  marksWanted(): Promise<views.MarksWanted>;
  /** Replaces the marks of a frame; one undo step. @throws QcError frame-unknown, marks-on-good */
  mark(id: string, marking: Marking, author: Author): Promise<{ readonly changed: boolean }>;
  /** All of them or none; one undo step. @throws QcError frame-unknown, label-invalid */
  relabel(ids: readonly string[], label: string, author: Author): Promise<void>;
  /** All of them or none; one undo step. @throws QcError frame-unknown */
  remove(ids: readonly string[], author: Author): Promise<void>;
  /**
   * Renames, merges or deletes a label; a dry run only returns the effects. One undo step.
   * @throws QcError label-unknown, label-exists, label-invalid, label-configured
   */
  changeLabel(change: LabelChange, author: Author, isDryRun: boolean): Promise<views.LabelChangeView>;
  /**
   * Undoes the author's own last change and returns a description of it.
   * @param change the expected change, by its number in the overview @throws QcError nothing-to-undo, undo-overtaken
   */
  undo(author: Author, change?: number): Promise<{ readonly undone: string }>;
  doctor(): Promise<readonly z.output<typeof views.finding>[]>;
  /** PNG: heat map of a label by the active version. @throws QcError frame-unknown, why-unavailable */
  why(of: { readonly frame: string } | { readonly resultId: string }, label?: string): Promise<Buffer>;

  training(): views.TrainingView;
  /** Starts and returns at once. @throws QcError training-busy */
  train(options: views.TrainOptions, by: string): Promise<void>;
  /** Does nothing if no training runs. */
  cancelTraining(): Promise<void>;

  /** Newest first. */
  versions(): Promise<views.VersionView[]>;
  /** @throws QcError version-unknown if it has no report */
  report(version: string): Promise<z.output<typeof views.report>>;
  /** @throws QcError version-unknown, head-damaged, gate-refused (unless an override gives a reason) */
  promote(version: string, by: string, why: PromotionReasons): Promise<void>;
  /** To the version that was active before. @throws QcError version-unknown if there is none, rollback-moved */
  rollback(by: string, asked: RollbackRequest): Promise<{ readonly version: string }>;
  /** Sets the shadow version, whose results are not published; null removes it. @throws QcError version-unknown, head-damaged */
  shadow(version: string | null): Promise<void>;
  /** Discards a candidate. @throws QcError version-unknown */
  discard(version: string, by: string): Promise<void>;
}
