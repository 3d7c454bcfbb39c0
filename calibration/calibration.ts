/** What the page, scripts and the command line ask of calibration. */
import type { z } from 'zod';
import type { Outcome } from './dataset/dataset.ts';
import type { LabelChange } from './dataset/label-change.ts';
import type { Marking } from './dataset/marking.ts';
import type { Author } from './dataset/state.ts';
import type { Answered, LabelRequest } from './station/labels.ts';
import type * as views from './views.ts';

export interface PromotionReasons {
  /** Why it is wanted although the gate refuses it. */
  readonly override?: string | undefined;
  /** Why, for the record. */
  readonly reason?: string | undefined;
}

export interface RollbackRequest {
  /** Nothing is done if another version would be active afterwards. */
  readonly to?: string | undefined;
  /** Why, for the record. */
  readonly reason?: string | undefined;
}

/** Calibration as others see it. Everything throws QcError; `by` and `author` say who asks, for the record. */
export interface Calibration {
  overview(author: Author): Promise<views.Overview>;
  /**
   * Parts worth a label, the most instructive first, without those that are kept for others.
   * @param holder for whom the first ones are to be kept, so that nobody else is offered them meanwhile
   */
  candidates(limit: number, holder: Author | undefined): Promise<views.CandidateView[]>;
  /** Whoever it was does not label any more: what was kept for them is offered to others. */
  leave(holder: Author): void;
  /** Told of every answer until the handle is disposed of. */
  onAnswer(listener: (answered: Answered) => void): Disposable;
  /** PNG of a candidate or of a result whose picture is still kept. @throws QcError label-unavailable */
  resultPicture(resultId: string): Promise<Buffer>;
  /**
   * Labels a candidate or corrects a past result. `ifUnlabelled` refuses where somebody was quicker.
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
  picture(id: string): Promise<Buffer>;
  /** What is marked on a frame. @throws QcError frame-unknown */
  marks(id: string): Promise<views.MarksView>;
  /** Marks the defects of a frame anew; one step to undo. @throws QcError frame-unknown, marks-on-good */
  mark(id: string, marking: Marking, author: Author): Promise<{ readonly changed: boolean }>;
  /** All of them or none, and one step to undo. @throws QcError frame-unknown, label-invalid */
  relabel(ids: readonly string[], label: string, author: Author): Promise<void>;
  /** All of them or none, and one step to undo. @throws QcError frame-unknown */
  remove(ids: readonly string[], author: Author): Promise<void>;
  /**
   * Renames, merges or deletes a label; a dry run only says what would happen. One step to undo.
   * @throws QcError label-unknown, label-exists, label-invalid, label-configured
   */
  changeLabel(change: LabelChange, author: Author, isDryRun: boolean): Promise<views.LabelChangeView>;
  /**
   * Undoes the author's own last change; says in words what it was.
   * @param change which one is meant, as the overview numbers it @throws QcError nothing-to-undo, undo-overtaken
   */
  undo(author: Author, change?: number): Promise<{ readonly undone: string }>;
  doctor(): Promise<readonly z.output<typeof views.finding>[]>;
  /** PNG: where on the part the active head sees a label. @throws QcError frame-unknown, why-unavailable */
  why(of: { readonly frame: string } | { readonly resultId: string }, label?: string): Promise<Buffer>;

  training(): views.TrainingView;
  /** Starts and returns at once. @throws QcError training-busy */
  train(options: views.TrainOptions, by: string): Promise<void>;
  /** Does nothing when none runs. */
  cancelTraining(): Promise<void>;

  /** Newest first. */
  versions(): Promise<views.VersionView[]>;
  /** @throws QcError version-unknown where it has none */
  report(version: string): Promise<z.output<typeof views.report>>;
  /** @throws QcError version-unknown, head-damaged, gate-refused (an override says why it is wanted all the same) */
  promote(version: string, by: string, why: PromotionReasons): Promise<void>;
  /** To the version that was active before. @throws QcError version-unknown where there is none, rollback-moved */
  rollback(by: string, asked: RollbackRequest): Promise<{ readonly version: string }>;
  /** Judges beside the active head, unpublished; null ends it. @throws QcError version-unknown, head-damaged */
  shadow(version: string | null): Promise<void>;
  /** A candidate is no longer offered. @throws QcError version-unknown */
  discard(version: string, by: string): Promise<void>;
}
