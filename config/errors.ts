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
  // camera
  'camera-unreachable': { exit: 1, remedy: 'check address, cable and power of the camera' },
  'camera-refused': {
    exit: 1,
    remedy: 'check the port in the url, and that RTSP is switched on in the camera',
  },
  'camera-unauthorized': { exit: 1, remedy: 'check the user in the url and the password in passwordFile' },
  'camera-not-found': { exit: 1, remedy: 'check the path in the url: the camera has no such stream' },
  'camera-protocol': {
    exit: 1,
    remedy: 'check that the url is the RTSP stream of the camera, and try the other transport',
  },
  'camera-codec': { exit: 1, remedy: 'set the stream of the camera to H.264, H.265 or MJPEG' },
  'camera-region': {
    exit: 1,
    remedy: 'make region larger: it is too small for the picture the camera sends',
  },
  'camera-stalled': {
    exit: 1,
    remedy: 'check the network to the camera; a busy camera may need a larger stallMs',
  },
  'camera-frozen': { exit: 1, remedy: 'restart the camera; set freezeMs: 0 if its picture may stand still' },
  'camera-resolution-changed': {
    exit: 1,
    remedy: 'nothing: reading goes on; if it was not you, look who changed the camera',
  },
  'camera-ended': { exit: 1, remedy: 'the camera closed the stream: look for a restart or too many viewers' },
  'camera-corrupt': { exit: 1, remedy: 'check cable and network load; transport: tcp loses no packets' },
  'camera-files': { exit: 1, remedy: 'put png, jpg or bmp pictures where the file: url points' },
  'camera-decoder-missing': {
    exit: 1,
    remedy: 'install ffmpeg, or use decoder: node-av, which brings its own',
  },
  'camera-hardware': { exit: 1, remedy: 'install the driver of the graphics card, or set hardware: none' },
  'camera-clock': { exit: 1, remedy: 'set the clock of the camera by NTP, or use clock: arrival' },
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
