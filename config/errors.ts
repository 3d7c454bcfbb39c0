/**
 * All error codes, each with its exit code and with what the operator has to do.
 * A code is part of the external interface (replies, HTTP, logs, doctor): never rename or reuse one.
 */
export const errors = {
  // configuration
  'config-invalid': { exit: 2, remedy: 'correct the named key in the file' },
  'config-changed': { exit: 1, remedy: 'reload the settings: someone else has changed the file meanwhile' },
  'config-from-environment': {
    exit: 1,
    remedy: 'change or remove the variable where the agent is started, and restart the agent',
  },
  'config-not-editable': { exit: 1, remedy: 'change this key with a text editor' },
  'config-not-writable': {
    exit: 1,
    remedy:
      'allow the user who runs the agent to write the file and its folder, or change the file where it is managed (docs/deploy.md)',
  },
  'setup-finished': { exit: 1, remedy: 'change its settings instead' },
  'onvif-failed': {
    exit: 1,
    remedy: 'enter the address of the stream by hand, as the manual of the camera states it',
  },
  // model
  'model-missing': { exit: 3, remedy: 'check model.base, or pull or import the base' },
  'model-damaged': { exit: 3, remedy: 'copy the file again; its hash must match its manifest' },
  'model-mismatch': { exit: 3, remedy: 'correct the manifest so that it describes the graph' },
  'model-too-large': {
    exit: 3,
    remedy:
      'choose a smaller base or image size, set model.threads lower, or raise model.maxMemoryMb if the machine has the memory',
  },
  'model-unsupported': {
    exit: 3,
    remedy: 'export the model as ONNX with standard operators, version 7 to 23',
  },
  'model-check-failed': {
    exit: 3,
    remedy: 'copy or pull the base again: its weights differ from those that the manifest describes',
  },
  'precision-unavailable': {
    exit: 3,
    remedy: 'set model.precision to auto, or create the int8 variant: qc-agent models quantize',
  },
  // weights of other frameworks
  'weights-missing': { exit: 3, remedy: 'check the path' },
  'weights-damaged': { exit: 3, remedy: 'download or copy the file again' },
  'weights-unsupported': {
    exit: 3,
    remedy: 'docs/bases.md lists the formats and networks that can be imported; or export the model as ONNX',
  },
  'import-declined': {
    exit: 2,
    remedy: 'accept the proposal with --yes, or correct it: qc-agent models import --help',
  },
  'base-exists': { exit: 2, remedy: 'choose another name with --name, or remove the old base first' },
  'base-size': {
    exit: 2,
    remedy: 'use a size that the base supports, such as resnet50-embedded@448x224, or leave the size out',
  },
  'base-in-use': { exit: 1, remedy: 'train on it: qc-agent train' },
  // bases from hubs
  'hub-address': {
    exit: 2,
    remedy: 'qc-agent models catalogue lists the names; docs/bases.md the addresses',
  },
  'hub-unreachable': {
    exit: 1,
    remedy:
      'check the network and the proxy (HTTPS_PROXY), and pull again: the download continues where it stopped',
  },
  'hub-busy': { exit: 1, remedy: 'pull again later: the download continues where it stopped' },
  'hub-unauthorized': {
    exit: 1,
    remedy:
      'give a token in the environment (HF_TOKEN, NGC_API_KEY, KAGGLE_USERNAME and KAGGLE_KEY), and check that its account has access',
  },
  'hub-not-found': { exit: 1, remedy: 'check the address on the page of the hub' },
  'hub-refused': {
    exit: 1,
    remedy: 'check the address, the mirror and the proxy; or download the file by hand and use --from',
  },
  'hub-offline': { exit: 1, remedy: 'unset HF_HUB_OFFLINE, or copy the file to this machine and use --from' },
  'download-wrong': {
    exit: 1,
    remedy: 'pull again; if it happens again, the hub or a proxy changes the file. Nothing was kept',
  },
  'download-changed': { exit: 1, remedy: 'ask the publisher why the file changed. Nothing was kept' },
  'download-too-large': { exit: 1, remedy: 'check the address: a base is smaller. Nothing was kept' },
  'download-busy': { exit: 1, remedy: 'wait until the other pull ends, or stop it' },
  'licence-refused': {
    exit: 1,
    remedy:
      'take another base, or state that the terms allow your use: --accept-licence, or the check box on the page',
  },
  'quantize-impossible': { exit: 1, remedy: 'keep model.precision at auto: the base then runs in float' },
  'provider-unavailable': {
    exit: 3,
    remedy: 'set model.provider to auto or cpu, or install what is missing',
  },
  // inference server
  'inference-server-unreachable': {
    exit: 1,
    remedy:
      'check model.remote.url and ca, the network, and that the server runs; the agent judges parts locally meanwhile',
  },
  'inference-server-timeout': {
    exit: 1,
    remedy: 'reduce the load on the server and the network, or raise model.remote.timeoutMs',
  },
  'inference-server-unauthorized': { exit: 1, remedy: 'check the token in model.remote.tokenFile' },
  'inference-server-refused': {
    exit: 1,
    remedy: 'check model.remote.url, model and version, and read the log of the server',
  },
  'inference-server-failed': { exit: 1, remedy: 'read the log of the inference server' },
  'inference-server-invalid': {
    exit: 1,
    remedy: 'check that the server at model.remote.url supports the Open Inference Protocol',
  },
  'head-damaged': { exit: 3, remedy: 'promote another version, or train a new one' },
  'head-base-mismatch': {
    exit: 3,
    remedy:
      'train a new version for this base from your dataset (qc-agent models refit, or "Train again" on the calibration page), or set model.base to the base that the version was trained with',
  },
  'maps-unavailable': {
    exit: 3,
    remedy:
      'use a convolutional base, name its feature maps at strides 8 and 16 in its manifest ("maps"), or promote a version that does not need feature maps',
  },
  'version-unknown': { exit: 2, remedy: 'list the versions with: qc-agent models list' },
  'inference-stopped': { exit: 1, remedy: 'restart the agent; if it happens again, report it with the log' },
  overloaded: { exit: 1, remedy: 'judge fewer images per second, or use a faster machine or provider' },
  // images
  'image-invalid': { exit: 1, remedy: 'send complete 8-bit RGB images' },
  'image-too-large': { exit: 1, remedy: 'use a smaller image' },
  'image-unreadable': { exit: 1, remedy: 'use a complete PNG, JPEG, WebP or BMP image' },
  // cameras
  'camera-unreachable': { exit: 1, remedy: 'check address, cable and power of the camera' },
  'camera-refused': {
    exit: 1,
    remedy: 'check the port in the url, and that RTSP is switched on in the camera',
  },
  'camera-unauthorized': { exit: 1, remedy: 'check the user in the url and the password in passwordFile' },
  'camera-not-found': { exit: 1, remedy: 'check the path in the url: the camera has no stream there' },
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
      'close other clients of the camera (recorder, browser, a second agent), or allow more of them in the camera; the camera ends an abandoned session within one or two minutes',
  },
  'camera-redirect': { exit: 1, remedy: 'set url to the address of the stream itself' },
  'camera-transport': { exit: 1, remedy: 'set transport of this camera to the other value: tcp or udp' },
  'camera-no-key-frame': {
    exit: 1,
    remedy: 'set the I-frame interval of the camera to 1 or 2 s, and switch off its smart codec',
  },
  'camera-protocol': {
    exit: 1,
    remedy: 'check that the url is the RTSP stream of the camera, and try the other transport',
  },
  'camera-codec': { exit: 1, remedy: 'set the stream of the camera to H.264, H.265 or MJPEG' },
  'camera-region': {
    exit: 1,
    remedy: 'make region larger: it is too small for the images of the camera',
  },
  'camera-stalled': {
    exit: 1,
    remedy: 'check the network to the camera, or raise stallMs if the camera pauses under load',
  },
  'camera-frozen': {
    exit: 1,
    remedy: 'restart the camera; set freezeMs: 0 if its image may legitimately stay the same',
  },
  'camera-resolution-changed': {
    exit: 1,
    remedy: 'no action needed: the agent continues; check who changed the camera if it was not you',
  },
  'camera-ended': {
    exit: 1,
    remedy: 'check whether the camera restarted or has too many clients: it closed the stream',
  },
  'camera-corrupt': {
    exit: 1,
    remedy:
      'check the cable, the network load and any relays; use transport: tcp and a shorter key frame interval',
  },
  'camera-files': { exit: 1, remedy: 'put PNG, JPEG or BMP images where the file: url points' },
  'camera-decoder-missing': {
    exit: 1,
    remedy: 'install ffmpeg, or set decoder: node-av, which includes its own decoder',
  },
  'camera-hardware': { exit: 1, remedy: 'install the driver of the graphics card, or set hardware: none' },
  'camera-clock': { exit: 1, remedy: 'synchronize the clock of the camera by NTP, or set clock: arrival' },
  'camera-latency': {
    exit: 1,
    remedy:
      'change most of the region (for example switch its lamp) at the moment that the command asks for it',
  },
  // parts
  'camera-down': { exit: 1, remedy: 'trigger again when the camera is up; status says why it is down' },
  'no-fresh-frame': {
    exit: 1,
    remedy: 'check the frame rate and clock of the camera, or raise trigger.timeoutMs',
  },
  busy: { exit: 1, remedy: 'trigger again after the result of the previous job' },
  'no-result': {
    exit: 1,
    remedy: 'treat the part as bad; judge fewer parts per second, or raise trigger.resultMs',
  },
  'job-aborted': { exit: 1, remedy: 'treat the part as bad, or trigger it again' },
  'job-unknown': {
    exit: 1,
    remedy: 'read the handshake topic; jobs of an earlier session are lost: treat their parts as bad',
  },
  'job-unfinished': { exit: 1, remedy: 'acknowledge the job when its result is ready' },
  'not-triggered': { exit: 2, remedy: 'set trigger: {kind: command} for this camera' },
  // agreement studies
  'study-unknown': { exit: 1, remedy: 'list the studies with: qc-agent study list' },
  'study-impossible': { exit: 1, remedy: 'label more parts first' },
  'study-foreign': { exit: 1, remedy: 'log in as one of the operators of the study' },
  'study-answered': { exit: 1, remedy: 'load the current question again' },
  'study-write-failed': { exit: 1, remedy: 'free some disk space, check the disk, and try again' },
  // challenge test
  'challenge-running': { exit: 1, remedy: 'show the expected part, or cancel the test' },
  'challenge-idle': { exit: 1, remedy: 'start a challenge test first' },
  'challenge-unsaved': { exit: 1, remedy: 'free some disk space, check the disk, and start the test again' },
  'challenge-failed': {
    exit: 1,
    remedy:
      'stop the line, check the parts that were judged since the last successful test, find the cause, and repeat the test',
  },
  stopping: { exit: 1, remedy: 'trigger again when the agent has restarted' },
  // broker
  'broker-unreachable': { exit: 1, remedy: 'check mqtt.url, the network, and that the broker runs' },
  'broker-refused': { exit: 1, remedy: 'read the log of the broker, which names the reason' },
  'broker-unauthorized': {
    exit: 1,
    remedy: 'check mqtt.username, the password file, and the permissions of this user in the broker',
  },
  'broker-tls': {
    exit: 1,
    remedy: 'check mqtt.ca, cert and key, and that the certificate names the host in mqtt.url',
  },
  'broker-tls-name': {
    exit: 1,
    remedy:
      'set mqtt.url to a host name that the certificate of the broker contains, or issue a new certificate for this name',
  },
  'broker-tls-expired': {
    exit: 1,
    remedy: 'renew the certificate of the broker, and check the clock of this machine',
  },
  'broker-tls-untrusted': {
    exit: 1,
    remedy: 'set mqtt.ca to the PEM file of the authority that signed the certificate of the broker',
  },
  'broker-tls-client': {
    exit: 1,
    remedy:
      'set mqtt.cert and mqtt.key to a valid client certificate signed by an authority that the broker trusts',
  },
  'broker-lost': {
    exit: 1,
    remedy:
      'the agent reconnects; if this repeats, check the network, the broker, and that no other client uses the same mqtt.clientId',
  },
  'broker-client-taken': {
    exit: 1,
    remedy: 'give each station its own mqtt.clientId: another client uses the same one',
  },
  'broker-topic-refused': {
    exit: 1,
    remedy: 'allow the user of the agent to publish on this topic (access list or policy of the broker)',
  },
  'broker-subscription-refused': {
    exit: 1,
    remedy:
      'allow the user of the agent to subscribe to this topic (access list or policy of the broker), or set mqtt.commands: false',
  },
  'broker-message-refused': {
    exit: 1,
    remedy: 'raise the maximum message size of the broker',
  },
  'sparkplug-host-offline': {
    exit: 1,
    remedy:
      'no action needed: results wait until the host named in mqtt.sparkplug.primaryHost is online again',
  },
  // outbox
  'outbox-failed': {
    exit: 1,
    remedy: 'check that the agent can write to storage.directory and that the disk is not full',
  },
  // commands
  'command-invalid': { exit: 2, remedy: 'send the fields that the schema defines' },
  'command-unknown': {
    exit: 2,
    remedy: 'use trigger, acknowledge, abort, mode, label, recipe, model or challenge',
  },
  'command-too-large': { exit: 2, remedy: 'send at most 16 kB of JSON' },
  'command-retained': {
    exit: 2,
    remedy: 'publish commands without the retain flag, and clear the retained command',
  },
  'command-stale': { exit: 2, remedy: 'check both clocks, and send the command again with a new issuedAt' },
  'camera-unknown': { exit: 2, remedy: 'name a camera of this station' },
  'recipe-unknown': { exit: 2, remedy: 'name a recipe of this station' },
  'label-unavailable': {
    exit: 1,
    remedy:
      'label a part while its image is stored: soon after its result, or as long as its evidence is kept',
  },
  'command-busy': { exit: 1, remedy: 'wait for the replies to earlier commands' },
  // dataset
  'label-invalid': { exit: 2, remedy: 'use a short, simple name such as "scratch"' },
  'label-unknown': {
    exit: 1,
    remedy: 'choose a label that has frames; list them with: qc-agent dataset stats',
  },
  'label-exists': { exit: 1, remedy: 'merge the two labels if they mean the same, or choose another name' },
  'label-configured': {
    exit: 1,
    remedy: 'first add the new name to labels.good in the configuration and restart the agent',
  },
  'dataset-busy': { exit: 1, remedy: 'stop the other process, or use it to make the change' },
  'dataset-write-failed': {
    exit: 1,
    remedy: 'check for a full disk or missing permissions; nothing was changed',
  },
  'label-ambiguous': { exit: 2, remedy: 'map it to a label: --map NAME_IN_SOURCE=LABEL' },
  'dataset-source': { exit: 2, remedy: 'name a folder or a .zip with images' },
  'dataset-layout': { exit: 2, remedy: 'name the layout with --layout; docs/dataset.md lists the layouts' },
  'dataset-target': { exit: 2, remedy: 'name a folder or a .zip that does not exist yet' },
  'marks-on-good': {
    exit: 2,
    remedy: 'remove the marks, or choose the label of the defect that they show',
  },
  'frame-unknown': { exit: 1, remedy: 'reload the list: another user may have removed the frame' },
  // calibration
  'candidate-gone': {
    exit: 1,
    remedy: 'continue with the next part; correct this label in the Gallery tab if it is wrong',
  },
  'nothing-to-undo': { exit: 1, remedy: 'no action needed' },
  'undo-overtaken': { exit: 1, remedy: 'correct the label in the Gallery tab if it is wrong' },
  'why-unavailable': {
    exit: 1,
    remedy:
      'to get heat maps, an engineer must choose a base whose features are averages or maxima of feature maps, and train without a hidden layer',
  },
  'training-busy': { exit: 1, remedy: 'wait until the current training ends, or cancel it' },
  'gate-refused': {
    exit: 1,
    remedy: 'label more parts and train again; an engineer can override it with a reason',
  },
  'rollback-moved': { exit: 1, remedy: 'reload the versions, and roll back if you still want to' },
  'agent-unreachable': {
    exit: 1,
    remedy: 'start the agent with the same config file, or give its address with --url',
  },
  // storage directory and backups
  'storage-unusable': {
    exit: 2,
    remedy: 'set storage.directory to a writable directory on a disk that responds',
  },
  'data-newer': {
    exit: 2,
    remedy: 'use the newer agent, or restore a backup that this version wrote (docs/deploy.md)',
  },
  'data-damaged': { exit: 1, remedy: 'restore a backup, or move the named file to another place' },
  'agent-running': { exit: 1, remedy: 'stop that agent first, or give each agent its own storage.directory' },
  'backup-target': { exit: 2, remedy: 'name a file that does not exist yet, in an existing folder' },
  'backup-unreadable': { exit: 2, remedy: 'name a file that qc-agent backup wrote' },
  'backup-damaged': { exit: 1, remedy: 'copy the backup again, or use another one; nothing was changed' },
  'backup-failed': { exit: 1, remedy: 'check for a full disk or missing permissions; nothing was kept' },
  'backup-unsteady': { exit: 1, remedy: 'run the backup again when fewer parts are being labelled' },
  'restore-failed': { exit: 1, remedy: 'check for a full disk or missing permissions; nothing was changed' },
  'disk-too-small': { exit: 1, remedy: 'free some space, or use a larger disk; nothing was changed' },
  // training
  'training-impossible': {
    exit: 1,
    remedy:
      'label more parts: ten good ones, or at least four of each label, good ones and bad ones (qc-agent dataset stats counts them)',
  },
  'fine-tune-impossible': {
    exit: 1,
    remedy:
      'train without --fine-tune, or choose a convolutional base such as resnet50-embedded (qc-agent models list)',
  },
  'adaptation-refused': {
    exit: 1,
    remedy: 'label some of the recent parts, then train; the active model version is unchanged',
  },
  // HTTP
  'http-tokens-missing': {
    exit: 2,
    remedy: 'set http.tokensFile (qc-agent token creates its lines), or listen on 127.0.0.1',
  },
  'http-tokens-invalid': {
    exit: 2,
    remedy: 'write each line as: name role sha256; qc-agent token creates one',
  },
  'http-port-taken': { exit: 1, remedy: 'choose another http.port, or stop the program that uses this port' },
  'http-listen-failed': { exit: 1, remedy: 'check http.host and http.port' },
  'http-certificate': {
    exit: 2,
    remedy: 'set http.cert and http.key to a valid PEM certificate and its key without a passphrase',
  },
  'http-rate-limited': {
    exit: 1,
    remedy: 'wait a minute and send fewer requests; http.requestsPerMinute sets the limit',
  },
  'audit-unavailable': {
    exit: 1,
    remedy:
      'nothing was changed; free space on the disk or repair it (see the status and qc-agent doctor), then try again',
  },
  'audit-busy': {
    exit: 1,
    remedy: 'try again; if this persists, find the process that does not finish and stop it',
  },
  'http-unauthorized': {
    exit: 1,
    remedy: 'log in on the page, or send a token in the Authorization header (Bearer)',
  },
  'http-forbidden': { exit: 1, remedy: 'use a token of a higher role: viewer, operator, engineer' },
  'http-origin-refused': { exit: 1, remedy: 'open the page under the address that the agent listens on' },
  'http-not-found': { exit: 1, remedy: 'see /api/v1/openapi.json for the available paths' },
  'http-invalid': { exit: 1, remedy: 'see /api/v1/openapi.json for the expected fields' },
  'http-too-large': { exit: 1, remedy: 'send a smaller body, or raise http.maxBodyMb' },
  'http-media-unsupported': { exit: 1, remedy: 'send a PNG, JPEG, WebP or BMP with its content type' },
  'http-busy': { exit: 1, remedy: 'try again in a moment' },
  'aim-busy': { exit: 1, remedy: 'close the page Aim in another browser' },
  // anything else
  internal: { exit: 1, remedy: 'report this error of the agent, with its log' },
} as const satisfies Record<string, { exit: number; remedy: string }>;

export type ErrorCode = keyof typeof errors;
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errors, code);

/** An error that the operator can act on: the message says what is wrong and where, the remedy what to do. */
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

  /** Message and remedy in one line. */
  get line(): string {
    return `${this.message} — ${this.remedy}`;
  }
}
