/**
 * Every error code in one table, with what the person who reads it does about it.
 * A code is part of the contract (replies, HTTP, logs, doctor): never reuse or rename one.
 */
export const errors = {
  // configuration
  'config-invalid': { exit: 2, remedy: 'correct the named key in the file' },
  // model
  'model-missing': { exit: 3, remedy: 'check model.base, or pull or import the base' },
  'model-damaged': { exit: 3, remedy: 'copy the file again; its hash must match its manifest' },
  'model-mismatch': { exit: 3, remedy: 'correct the manifest so that it describes the graph' },
  'model-check-failed': {
    exit: 3,
    remedy: 'the weights are not those the manifest describes: copy or pull the base again',
  },
  'precision-unavailable': { exit: 3, remedy: 'set model.precision to auto, or make that variant' },
  'provider-unavailable': {
    exit: 3,
    remedy: 'set model.provider to auto or cpu, or install what is missing',
  },
  'head-damaged': { exit: 3, remedy: 'promote another version, or train a new head' },
  'head-base-mismatch': {
    exit: 3,
    remedy: 'train a new head for this base, or set model.base to the one the head was made for',
  },
  'version-unknown': { exit: 2, remedy: 'qc-agent models list shows the versions there are' },
  'inference-stopped': { exit: 1, remedy: 'restart the agent; if it happens again, report it with the log' },
  'image-invalid': { exit: 1, remedy: 'send whole 8-bit RGB pictures' },
  overloaded: { exit: 1, remedy: 'judge fewer pictures a second, or use a faster machine or provider' },
  // camera
  'camera-unreachable': { exit: 1, remedy: 'check address, cable and power of the camera' },
  // commands
  'command-invalid': { exit: 2, remedy: 'send the fields that the schema names' },
  // anything else
  internal: { exit: 1, remedy: 'this is a defect in the agent: report it with the log' },
} as const satisfies Record<string, { exit: number; remedy: string }>;

export type ErrorCode = keyof typeof errors;

/** An error somebody can act on: what is wrong and where in the message, what to do in the remedy. */
export class QcError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string;

  constructor(code: ErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'QcError';
    this.code = code;
    this.remedy = options.remedy ?? errors[code].remedy;
  }

  get exitCode(): number {
    return errors[this.code].exit;
  }

  /** One line for a person. */
  get line(): string {
    return `${this.message} — ${this.remedy}`;
  }
}
