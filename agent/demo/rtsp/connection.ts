/** One RTSP client: answers its requests (RFC 2326 §10) and sends it images while it plays. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { RequestReader, type RtspRequest } from '../../camera/rtsp/request.ts';
import { type Credentials, DigestGuard } from './digest.ts';
import { senderReport } from './rtcp.ts';
import { type PayloadFormat, RtpStream } from './rtp.ts';
import { openTransport, type Transport } from './transport.ts';

/** A client with this much unread data gets no more images until it has read it, bytes. */
const maxBacklogBytes = 1024 * 1024;
/** A client that sends requests but does not read replies is disconnected, bytes. */
const maxUnreadBytes = 4 * maxBacklogBytes;
const reportEveryMs = 2_000;

export interface ConnectionOptions {
  readonly path: string;
  readonly format: PayloadFormat;
  readonly credentials: Credentials | undefined;
  /** Returns the session description. */
  readonly describe: () => string;
  /** The client started or stopped playing. */
  readonly onPlayingChange: () => void;
  /** An image was skipped because the client reads too slowly. */
  readonly onDrop: () => void;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const phrases: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  454: 'Session Not Found',
  455: 'Method Not Valid in This State',
  461: 'Unsupported Transport',
  501: 'Not Implemented',
};
const methods = 'OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER';

export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #guard: DigestGuard | undefined;
  readonly #session = randomBytes(8).toString('hex');
  readonly #stream: RtpStream;
  #transport: Transport | undefined;
  #playing = false;
  #waitsForKey = true;
  #slow = false;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#guard = options.credentials && new DigestGuard(options.credentials);
    this.#stream = new RtpStream(options.format.payloadType);
  }

  get playing(): boolean {
    return this.#playing;
  }

  /** Answers until the connection ends; a session ends with its connection. Never throws. */
  async serve(): Promise<void> {
    const reader = new RequestReader();
    try {
      for await (const chunk of this.#socket) {
        for (const incoming of reader.push(chunk as Buffer)) {
          if (incoming.kind === 'request')
            this.#write(await this.#answer(incoming.request), incoming.request);
          if (incoming.kind === 'malformed') {
            this.#writeText(`RTSP/1.0 400 ${phrases[400]}\r\nCSeq: ${incoming.cseq ?? 0}\r\n\r\n`);
            if (incoming.fatal) return;
          }
          if (this.#socket.writableLength > maxUnreadBytes) return;
        }
      }
    } catch {
      // The client closed the connection, which is a normal end for a camera.
    } finally {
      this.close();
    }
  }

  /** Sends one image, unless the client waits for a key frame or has not read earlier ones. */
  sendPicture(
    payloads: readonly Buffer[],
    {
      key,
      capturedAt,
      lost,
    }: {
      key: boolean;
      capturedAt: number;
      /** Selects packets that are numbered but not sent. */
      lost: readonly boolean[];
    },
  ): void {
    const transport = this.#transport;
    if (!this.#playing || !transport) return;
    if (transport.backlog > maxBacklogBytes) this.#slow = this.#waitsForKey = true;
    else if (key) this.#slow = this.#waitsForKey = false;
    if (this.#waitsForKey) {
      if (this.#slow) this.#options.onDrop();
      return;
    }
    const now = Date.now();
    this.#socket.cork();
    if (performance.now() - this.#reportedAt >= reportEveryMs) {
      this.#reportedAt = performance.now();
      transport.sendRtcp(senderReport(this.#stream, now));
    }
    for (const [index, payload] of payloads.entries()) {
      const packet = this.#stream.packet(payload, capturedAt, index === payloads.length - 1);
      if (!lost[index]) transport.sendRtp(packet);
    }
    this.#socket.uncork();
  }

  close(): void {
    this.#transport?.close();
    this.#transport = undefined;
    this.#setPlaying(false);
    this.#socket.destroy();
  }

  async #answer(request: RtspRequest): Promise<Answer> {
    const { method } = request;
    if (!request.headers.has('cseq')) return { status: 400 };
    if (method === 'OPTIONS') return { status: 200, headers: { Public: methods } };
    if (this.#guard && !this.#guard.allows(request.headers.get('authorization'), method)) {
      return { status: 401, headers: { 'WWW-Authenticate': this.#guard.challenge } };
    }
    if (method === 'GET_PARAMETER' || method === 'SET_PARAMETER') return { status: 200 };
    const path = pathOf(request.url);
    if (path === undefined) return { status: 400 };
    if (path !== this.#options.path && path !== `${this.#options.path}/track0`) return { status: 404 };
    if (method === 'DESCRIBE') return this.#describe(request.url);
    if (method === 'SETUP') return this.#setup(request);
    if (!['PLAY', 'PAUSE', 'TEARDOWN'].includes(method)) return { status: 501, headers: { Public: methods } };
    if (request.headers.get('session')?.split(';')[0] !== this.#session || !this.#transport) {
      return { status: 454 };
    }
    if (method === 'PLAY') return this.#play(request.url);
    this.#setPlaying(false);
    if (method === 'TEARDOWN') {
      this.#transport.close();
      this.#transport = undefined;
    }
    return { status: 200 };
  }

  #describe(url: string): Answer {
    const body = this.#options.describe();
    const base = url.endsWith('/') ? url : `${url}/`;
    return { status: 200, headers: { 'Content-Type': 'application/sdp', 'Content-Base': base }, body };
  }

  async #setup(request: RtspRequest): Promise<Answer> {
    if (this.#playing) return { status: 455 };
    this.#transport?.close();
    this.#transport = await openTransport(request.headers.get('transport') ?? '', this.#socket);
    // The connection may have ended while the ports were being opened.
    if (this.#socket.destroyed) this.#transport?.close();
    if (!this.#transport) return { status: 461 };
    const ssrc = this.#stream.ssrc.toString(16).padStart(8, '0').toUpperCase();
    return { status: 200, headers: { Transport: `${this.#transport.description};ssrc=${ssrc}` } };
  }

  #play(url: string): Answer {
    const track = url.endsWith('/track0') ? url : `${url.replace(/\/$/, '')}/track0`;
    const info = `url=${track};seq=${this.#stream.sequence};rtptime=${this.#stream.timestamp(Date.now())}`;
    // The first image must follow the reply: the next image is at least one tick of the event loop later.
    this.#waitsForKey = true;
    this.#setPlaying(true);
    return { status: 200, headers: { Range: 'npt=now-', 'RTP-Info': info } };
  }

  #setPlaying(playing: boolean): void {
    if (this.#playing === playing) return;
    this.#playing = playing;
    this.#options.onPlayingChange();
  }

  #write(answer: Answer, request: RtspRequest): void {
    const headers: Record<string, string> = {
      CSeq: request.headers.get('cseq') ?? '0',
      ...(this.#transport ? { Session: `${this.#session};timeout=60` } : {}),
      ...answer.headers,
      ...(answer.body ? { 'Content-Length': String(Buffer.byteLength(answer.body)) } : {}),
    };
    const lines = Object.entries(headers).map(([field, value]) => `${field}: ${value}\r\n`);
    const status = `RTSP/1.0 ${answer.status} ${phrases[answer.status] ?? ''}\r\n`;
    this.#writeText(`${status}${lines.join('')}\r\n${answer.body ?? ''}`);
  }

  #writeText(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(text);
  }
}

function pathOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).pathname.replace(/\/$/, '') : undefined;
}
