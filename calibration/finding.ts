/** A finding of the dataset doctor. */
export interface Finding {
  readonly kind:
    | 'no-frames'
    | 'one-label'
    | 'good-only'
    | 'no-good'
    | 'too-few'
    | 'imbalance'
    | 'unreadable'
    | 'odd-size'
    | 'near-duplicates'
    | 'label-spelling'
    | 'label-is-folder'
    | 'looks-like-mask'
    | 'nearly-black'
    | 'marks-on-good'
    | 'mark-outside'
    | 'marks-of-another-label'
    | 'mark-elsewhere'
    | 'unmarked'
    | 'more-labels'
    | 'likely-mistake';
  /** error: training is impossible or wrong; warning: the result will be poor; hint: should be checked. */
  readonly severity: 'error' | 'warning' | 'hint';
  /** For the operator. */
  readonly text: string;
  readonly remedy: string;
  /** Ids of the frames it is about. */
  readonly frames: string[];
  /** The label that they should probably have. */
  readonly suggestion?: string;
  /** The most similar frame with this label. */
  readonly beside?: string;
}
