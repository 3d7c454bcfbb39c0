/** What the dataset doctor reports. */
export interface Finding {
  readonly kind:
    | 'no-frames'
    | 'one-label'
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
    | 'unmarked'
    | 'likely-mistake';
  /** error: training is impossible or misled; warning: it will be poor; hint: worth a look. */
  readonly severity: 'error' | 'warning' | 'hint';
  /** In an operator's words. */
  readonly text: string;
  readonly remedy: string;
  /** Ids of the frames it is about. */
  readonly frames: string[];
  /** The label they probably should have. */
  readonly suggestion?: string;
  /** The likest frame that has this label. */
  readonly beside?: string;
}
