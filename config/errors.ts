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
  'precision-unavailable': {
    exit: 3,
    remedy: 'set model.precision to auto, or make the int8 variant: qc-agent models quantize',
  },
  'quantize-impossible': { exit: 1, remedy: 'leave model.precision at auto: the base runs in float' },
  'provider-unavailable': {
    exit: 3,
    remedy: 'set model.provider to auto or cpu, or install what is missing',
  },
  // inference server
  'inference-server-unreachable': {
    exit: 1,
    remedy:
      'check model.remote.url and ca, the network, and that the server runs; parts are judged here meanwhile',
  },
  'inference-server-timeout': {
    exit: 1,
    remedy: 'look for load on the server and the network, or raise model.remote.timeoutMs',
  },
  'inference-server-unauthorized': { exit: 1, remedy: 'check the token in model.remote.tokenFile' },
  'inference-server-refused': {
    exit: 1,
    remedy: 'check model.remote.url, model and version, and read the log of the server',
  },
  'inference-server-failed': { exit: 1, remedy: 'read the log of the inference server' },
  'inference-server-invalid': {
    exit: 1,
    remedy: 'check that model.remote.url is a server that speaks the Open Inference Protocol',
  },
  'head-damaged': { exit: 3, remedy: 'promote another version, or train a new head' },
  'head-base-mismatch': {
    exit: 3,
    remedy:
      'train a new head for this base from your data set (qc-agent models refit, or "Train again" on the calibration page), or set model.base to the one the head was made for',
  },
  'maps-unavailable': {
    exit: 3,
    remedy:
      'use a convolutional base, or name its maps at strides 8 and 16 in its manifest ("maps"); or promote a head that takes features only',
  },
  'version-unknown': { exit: 2, remedy: 'qc-agent models list shows the versions there are' },
  'inference-stopped': { exit: 1, remedy: 'restart the agent; if it happens again, report it with the log' },
  overloaded: { exit: 1, remedy: 'judge fewer pictures a second, or use a faster machine or provider' },
  // pictures
  'image-invalid': { exit: 1, remedy: 'send whole 8-bit RGB pictures' },
  'image-too-large': { exit: 1, remedy: 'use a smaller image' },
  'image-unreadable': { exit: 1, remedy: 'use a whole PNG, JPEG, WebP or BMP image' },
  // cameras
  'camera-unreachable': { exit: 1, remedy: 'check address, cable and power of the camera' },
  'camera-refused': {
    exit: 1,
    remedy: 'check the port in the url, and that RTSP is switched on in the camera',
  },
  'camera-unauthorized': { exit: 1, remedy: 'check the user in the url and the password in passwordFile' },
  'camera-not-found': { exit: 1, remedy: 'check the path in the url: the camera has no such stream' },
  'camera-host-unknown': {
    exit: 1,
    remedy: 'check the host name in the url and the name servers of this machine, or write the IP address',
  },
  'camera-tls': { exit: 1, remedy: 'check the port in the url and the certificate of the camera' },
  'camera-not-rtsp': {
    exit: 1,
    remedy: 'check the port in the url: RTSP is usually on 554, not on 80 or 443',
  },
  'camera-busy': {
    exit: 1,
    remedy:
      'close other viewers of the camera (recorder, browser, a second agent) or allow more of them; a session that was not closed ends by itself within a minute or two',
  },
  'camera-redirect': { exit: 1, remedy: 'write the address of the stream itself into url' },
  'camera-transport': { exit: 1, remedy: 'set the other transport for this camera: tcp or udp' },
  'camera-no-key-frame': {
    exit: 1,
    remedy: 'set the I-frame interval of the camera to 1 or 2 s, and switch its smart codec off',
  },
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
  'camera-corrupt': {
    exit: 1,
    remedy:
      'check cable, network load and relays on the way; use transport: tcp and a shorter key frame interval',
  },
  'camera-files': { exit: 1, remedy: 'put png, jpg or bmp pictures where the file: url points' },
  'camera-decoder-missing': {
    exit: 1,
    remedy: 'install ffmpeg, or use decoder: node-av, which brings its own',
  },
  'camera-hardware': { exit: 1, remedy: 'install the driver of the graphics card, or set hardware: none' },
  'camera-clock': { exit: 1, remedy: 'set the clock of the camera by NTP, or use clock: arrival' },
  'camera-latency': {
    exit: 1,
    remedy: 'make a change that fills much of the region (switch its lamp), at the moment that is told',
  },
  // parts
  'camera-down': { exit: 1, remedy: 'trigger again once the camera is up; status says why it is down' },
  'no-fresh-frame': {
    exit: 1,
    remedy: 'check the frame rate and clock of the camera, or raise trigger.timeoutMs',
  },
  busy: { exit: 1, remedy: 'trigger again after the result of the job before' },
  'no-result': {
    exit: 1,
    remedy: 'treat the part as bad; judge fewer parts a second, or raise trigger.resultMs',
  },
  'job-aborted': { exit: 1, remedy: 'treat the part as bad, or trigger it again' },
  'job-unknown': {
    exit: 1,
    remedy: 'look at the handshake topic: a job of an earlier session is gone, treat its part as bad',
  },
  'job-unfinished': { exit: 1, remedy: 'acknowledge a job once its result is ready' },
  'not-triggered': { exit: 2, remedy: 'set trigger: {kind: command} for this camera' },
  stopping: { exit: 1, remedy: 'trigger again once the agent is back' },
  // broker
  'broker-unreachable': { exit: 1, remedy: 'check mqtt.url, the network, and that the broker runs' },
  'broker-refused': { exit: 1, remedy: 'read the log of the broker: it names the reason' },
  'broker-unauthorized': {
    exit: 1,
    remedy: 'check mqtt.username and the password file, and what the broker lets this user do',
  },
  'broker-tls': {
    exit: 1,
    remedy: 'check mqtt.ca, cert and key, and that the certificate names the host in mqtt.url',
  },
  'broker-tls-name': {
    exit: 1,
    remedy:
      'write in mqtt.url a name that the certificate of the broker holds, or have it made anew for this one',
  },
  'broker-tls-expired': {
    exit: 1,
    remedy: 'renew the certificate of the broker, and check the clock of this machine',
  },
  'broker-tls-untrusted': {
    exit: 1,
    remedy: 'name in mqtt.ca the PEM file of the authority that signed the certificate of the broker',
  },
  'broker-tls-client': {
    exit: 1,
    remedy:
      'set mqtt.cert and mqtt.key to a valid client certificate that an authority signed which the broker trusts',
  },
  'broker-lost': {
    exit: 1,
    remedy:
      'the agent reconnects by itself; if it happens again and again, check network, broker, and that no other client uses the same mqtt.clientId',
  },
  'broker-client-taken': {
    exit: 1,
    remedy: 'another client uses the same client id: give each station its own mqtt.clientId',
  },
  'broker-topic-refused': {
    exit: 1,
    remedy: 'let the user of the agent publish there (access list or policy of the broker)',
  },
  'broker-subscription-refused': {
    exit: 1,
    remedy:
      'let the user of the agent subscribe to it (access list or policy of the broker), or set mqtt.commands: false',
  },
  'broker-message-refused': {
    exit: 1,
    remedy: 'raise the limit of the broker for the size of a message',
  },
  'sparkplug-host-offline': {
    exit: 1,
    remedy: 'nothing: results wait until it is back; mqtt.sparkplug.primaryHost names the host to wait for',
  },
  // outbox
  'outbox-failed': {
    exit: 1,
    remedy: 'check that the agent may write in storage.directory, and that the disk has room',
  },
  // commands
  'command-invalid': { exit: 2, remedy: 'send the fields that the schema names' },
  'command-unknown': { exit: 2, remedy: 'use trigger, acknowledge, abort, mode, label, recipe or model' },
  'command-too-large': { exit: 2, remedy: 'send at most 16 kB of JSON' },
  'command-retained': { exit: 2, remedy: 'publish commands without the retain flag; clear the retained one' },
  'command-stale': { exit: 2, remedy: 'check both clocks; send the command again with a fresh issuedAt' },
  'camera-unknown': { exit: 2, remedy: 'name a camera of this station' },
  'recipe-unknown': { exit: 2, remedy: 'name a recipe of this station' },
  'label-unavailable': {
    exit: 1,
    remedy: 'label a part while its picture is kept: soon after its result, or as long as its evidence',
  },
  'command-busy': { exit: 1, remedy: 'wait for the replies to earlier commands' },
  // dataset
  'label-invalid': { exit: 2, remedy: 'use another name for it, short and plain, such as "scratch"' },
  'label-unknown': { exit: 1, remedy: 'choose a label that has frames: qc-agent dataset stats lists them' },
  'label-exists': { exit: 1, remedy: 'merge the two labels if they mean the same, or choose another name' },
  'label-configured': {
    exit: 1,
    remedy: 'first add the new name to labels.good in the configuration and restart the agent',
  },
  'dataset-busy': { exit: 1, remedy: 'stop the other one, or let it do the work' },
  'dataset-write-failed': {
    exit: 1,
    remedy: 'look for a full disk or missing permissions; nothing was changed',
  },
  'label-ambiguous': { exit: 2, remedy: 'say what is meant: --map WRITTEN=LABEL' },
  'dataset-source': { exit: 2, remedy: 'name a folder or a .zip with images' },
  'dataset-layout': { exit: 2, remedy: 'say how it is to be read: docs/dataset.md lists the layouts' },
  'dataset-target': { exit: 2, remedy: 'name a folder or a .zip that does not exist yet' },
  'frame-unknown': { exit: 1, remedy: 'load the list again: somebody may have removed it' },
  // calibration
  'candidate-gone': {
    exit: 1,
    remedy: 'go on with the next part; correct its label in the gallery if it is wrong',
  },
  'nothing-to-undo': { exit: 1, remedy: 'nothing needs to be done' },
  'undo-overtaken': { exit: 1, remedy: 'correct the label in the gallery if it is wrong' },
  'why-unavailable': {
    exit: 1,
    remedy: 'use a base whose features are averages or maxima of maps, and a linear head',
  },
  'training-busy': { exit: 1, remedy: 'wait for the training that runs, or cancel it' },
  'gate-refused': {
    exit: 1,
    remedy: 'label more parts and train again; an engineer may override with a reason',
  },
  'rollback-moved': { exit: 1, remedy: 'look at the versions again, and roll back if it is still right' },
  'agent-unreachable': {
    exit: 1,
    remedy: 'start the agent with the same config file, or name its address with --url',
  },
  // the storage directory, its backups, and who uses it
  'storage-unusable': {
    exit: 2,
    remedy: 'name a directory on a disk that answers and can hold data (storage.directory)',
  },
  'data-newer': {
    exit: 2,
    remedy: 'use the newer agent again, or restore a backup that this one wrote (docs/deploy.md)',
  },
  'data-damaged': { exit: 1, remedy: 'restore a backup, or move the named file away' },
  'agent-running': { exit: 1, remedy: 'stop that agent first, or give each its own storage.directory' },
  'backup-target': { exit: 2, remedy: 'name a file that does not exist yet, in a folder that does' },
  'backup-unreadable': { exit: 2, remedy: 'name a file that qc-agent backup wrote' },
  'backup-damaged': { exit: 1, remedy: 'copy the backup again, or use another one; nothing was changed' },
  'backup-failed': { exit: 1, remedy: 'look for a full disk or missing permissions; nothing was kept' },
  'backup-unsteady': { exit: 1, remedy: 'run it again when fewer parts are being labelled' },
  'restore-failed': { exit: 1, remedy: 'look for a full disk or missing permissions; nothing was changed' },
  'disk-too-small': { exit: 1, remedy: 'free some space, or use a larger disk; nothing was changed' },
  // training
  'training-impossible': {
    exit: 1,
    remedy:
      'label more parts, at least four of each label, good ones and bad ones (qc-agent dataset stats counts them)',
  },
  // HTTP
  'http-tokens-missing': {
    exit: 2,
    remedy: 'set http.tokensFile (qc-agent token makes its lines), or listen on 127.0.0.1',
  },
  'http-tokens-invalid': { exit: 2, remedy: 'each line is: name role sha256; qc-agent token makes one' },
  'http-port-taken': { exit: 1, remedy: 'choose another http.port, or stop the program that uses this one' },
  'http-listen-failed': { exit: 1, remedy: 'check http.host and http.port' },
  'http-certificate': {
    exit: 2,
    remedy: 'set http.cert and http.key to a valid certificate in PEM form and its key without a passphrase',
  },
  'http-rate-limited': {
    exit: 1,
    remedy: 'wait a minute and send less; http.requestsPerMinute sets the limit',
  },
  'audit-unavailable': {
    exit: 1,
    remedy:
      'nothing was changed: make room on the disk or mend it (see the status and qc-agent doctor), then try again',
  },
  'audit-busy': { exit: 1, remedy: 'try again; if it stays so, look for a process that hangs' },
  'http-unauthorized': { exit: 1, remedy: 'log in on the page, or send a token as Bearer' },
  'http-forbidden': { exit: 1, remedy: 'use a token of a higher role: viewer, operator, engineer' },
  'http-origin-refused': { exit: 1, remedy: 'open the page by the address the agent listens on' },
  'http-not-found': { exit: 1, remedy: 'see /api/v1/openapi.json for what there is' },
  'http-invalid': { exit: 1, remedy: 'see /api/v1/openapi.json for the expected fields' },
  'http-too-large': { exit: 1, remedy: 'send less, or raise http.maxBodyMb' },
  'http-media-unsupported': { exit: 1, remedy: 'send a PNG, JPEG, WebP or BMP with its content type' },
  'http-busy': { exit: 1, remedy: 'try again in a moment' },
  // anything else
  internal: { exit: 1, remedy: 'this is a defect in the agent: report it with the log' },
} as const satisfies Record<string, { exit: number; remedy: string }>;

export type ErrorCode = keyof typeof errors;
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errors, code);

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
