/** Sends the images and signals of one camera to everybody who aims it: each record is made once for all of them. */
import type { ServerResponse } from 'node:http';
import type { AimImage } from '../camera/aim.ts';
import { wallTimes } from '../camera/wall-times.ts';
import type { PartsWatcher, PresenceLook } from '../part/watch.ts';
import type { AimLookRecord, AimRecord, AimStateRecord } from './aim-view.ts';

/** A camera as seen by this channel. */
export interface AimCamera {
  /** Makes images and signals until the handle is disposed of. */
  watch(viewer: { image(image: AimImage): void } & PartsWatcher): Disposable;
  state(): Pick<AimStateRecord, 'up' | 'problem' | 'trigger' | 'region' | 'regionSetting'>;
}

export interface AimClient {
  readonly response: ServerResponse;
  /** False once the session has ended or the token was revoked. */
  readonly stillAllowed: () => boolean;
}

/** Unread data of a slow client beyond which its records are dropped, bytes. */
const maxUnreadBytes = 524_288;
const beatMs = 1_000;
/** Missed beats after which a client is disconnected; the page reconnects automatically. */
const maxMissedBeats = 5;

interface Viewer extends AimClient {
  dropped: number;
  missedBeats: number;
}

export class AimChannel {
  readonly #camera: AimCamera;
  readonly #viewers = new Set<Viewer>();
  #watching: Disposable | undefined;
  #beat: NodeJS.Timeout | undefined;

  constructor(camera: AimCamera) {
    this.#camera = camera;
  }

  get size(): number {
    return this.#viewers.size;
  }

  /** Sends to this client until its response closes. The images begin with the first client and end with the last. */
  add(client: AimClient, onGone: () => void): void {
    const viewer: Viewer = { ...client, dropped: 0, missedBeats: 0 };
    this.#viewers.add(viewer);
    client.response.on('close', () => {
      this.#viewers.delete(viewer);
      if (this.size === 0) this.#stop();
      onGone();
    });
    if (this.size === 1) this.#start();
    this.#send(viewer, this.#state(viewer));
  }

  disconnect(): void {
    for (const { response } of this.#viewers) response.destroy();
  }

  #start(): void {
    this.#beat = setInterval(() => this.#tick(), beatMs);
    this.#watching = this.#camera.watch({
      image: (image) => this.#sendImage(image),
      looked: (look) => this.#sendAll(recordOf(lookRecord(look))),
      found: (partId) => this.#sendAll(recordOf({ kind: 'part', at: Date.now(), partId })),
    });
  }

  #stop(): void {
    clearInterval(this.#beat);
    this.#watching?.[Symbol.dispose]();
    this.#watching = undefined;
  }

  #tick(): void {
    for (const viewer of this.#viewers) {
      if (!viewer.stillAllowed()) {
        viewer.response.destroy();
        continue;
      }
      viewer.missedBeats = this.#send(viewer, this.#state(viewer)) ? 0 : viewer.missedBeats + 1;
      if (viewer.missedBeats > maxMissedBeats) viewer.response.destroy();
    }
  }

  #state({ dropped }: Viewer): Buffer {
    const at = Date.now();
    return recordOf({ kind: 'state', at, ...this.#camera.state(), viewers: this.size, dropped });
  }

  #sendImage({ jpeg, size, frame, region, figures, capturedAt }: AimImage): void {
    const record = recordOf({ kind: 'image', at: capturedAt, ...size, frame, region, ...figures }, jpeg);
    for (const viewer of this.#viewers) if (!this.#send(viewer, record)) viewer.dropped++;
  }

  #sendAll(record: Buffer): void {
    for (const viewer of this.#viewers) this.#send(viewer, record);
  }

  #send({ response }: Viewer, record: Buffer): boolean {
    if (response.writableLength > maxUnreadBytes) return false;
    response.write(record);
    return true;
  }
}

function lookRecord({ at, state, share, enter, leave, confirmed, mask }: PresenceLook): AimLookRecord {
  const look = { kind: 'look' as const, at: wallTimes(at).capturedAt, state, enter, leave, confirmed };
  if (share === undefined || !mask) return { ...look, share: null, mask: null };
  const { width, height } = mask;
  return { ...look, share, mask: { width, height, bits: packed(mask.mask) } };
}

function packed(mask: Uint8Array): string {
  const bytes = Buffer.alloc(Math.ceil(mask.length / 8));
  for (let at = 0; at < mask.length; at++) if (mask[at]) bytes[at >> 3]! |= 0x80 >> (at & 7);
  return bytes.toString('base64');
}

/** Length of the JSON and of the image (each 4 bytes, big-endian), JSON in UTF-8, image. */
function recordOf(record: AimRecord, image: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(JSON.stringify(record));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(json.length, 0);
  lengths.writeUInt32BE(image.length, 4);
  return Buffer.concat([lengths, json, image]);
}
