/**
 * Relays RTSP between a decoder and its camera. The decoder opens an address on this machine, without a password; the relay
 * logs in at the camera, forwards the packets, and ends the session however the decoder ends. For one decoder, which
 * connects once.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { QcError } from '../../../config/errors.ts';
import { CameraConnection } from './connection.ts';
import { descriptionFault, readDescription, type Track } from './description.ts';
import { type Place, placeOf } from './dial.ts';
import type { Account } from './login.ts';
import { inspectPayload, type Payloads } from './payload.ts';
import { isSameHost, Redirects } from './redirect.ts';
import { refusal } from './refusal.ts';
import type { Reply } from './reply.ts';
import { type Incoming, RequestReader, type RtspRequest } from './request.ts';

export interface RelayOptions {
  /** Without user and password. */
  readonly address: string;
  readonly account: Account | undefined;
  readonly transport: 'tcp' | 'udp';
  /** For a connection, and for each reply of the camera, ms. */
  readonly timeoutMs: number;
}

/** State of the relay. */
export interface RelayFacts extends Readonly<Payloads> {
  /** The last request to the camera; PLAY once it was answered. */
  readonly asked: string;
  readonly isPlaying: boolean;
  /** Of the video track: `H264`. */
  readonly encoding: string;
  /** Size of the images as stated by an ONVIF camera: `2592,1944`. */
  readonly dimensions: string | undefined;
}

/** Header fields that are not forwarded, or that the relay writes itself. */
const notPassedOn = new Set([
  'cseq',
  'content-length',
  'www-authenticate',
  'authentication-info',
  'authorization',
  'user-agent',
]);
/** Maximum number of bytes buffered for a slow decoder. */
const maxWaiting = 1_000_000;
/** The decoder sends OPTIONS first, but cameras need not support it. */
const optional = new Set([400, 404, 405, 454, 455, 459, 500, 501, 551]);

export class Relay {
  readonly #options: RelayOptions;
  readonly #onFault: (fault: QcError) => void;
  readonly #path = `/${randomBytes(16).toString('hex')}`;
  readonly #redirects: Redirects;
  readonly #server: Server;
  #local = '';
  #address: string;
  #place: Place;
  #account: Account | undefined;
  #decoder: Socket | undefined;
  #camera: CameraConnection | undefined;
  #requests: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #asked = '';
  #isPlaying = false;
  #tracks: readonly Track[] = [];
  readonly #seen: Payloads = { packets: 0, keyPackets: 0, isJpegTooLarge: false };

  /** @param onFault called once with the reason why the camera cannot be read, before the decoder is disconnected */
  constructor(options: RelayOptions, onFault: (fault: QcError) => void) {
    this.#options = options;
    this.#onFault = onFault;
    this.#address = options.address;
    this.#place = placeOf(options.address);
    this.#account = options.account;
    this.#redirects = new Redirects(options.address);
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** The address for the decoder. It cannot be guessed, and no other client is accepted after the decoder has connected. */
  async listen(): Promise<string> {
    // The decoder opens UDP sockets of the same address family.
    const host = isIPv6(this.#place.host) ? '::1' : '127.0.0.1';
    this.#server.listen(0, host);
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    this.#local = `rtsp://${isIPv6(host) ? `[${host}]` : host}:${port}${this.#path}`;
    return this.#local;
  }

  get facts(): RelayFacts {
    const video = this.#tracks.find(({ media }) => media === 'video');
    return {
      ...this.#seen,
      asked: this.#asked,
      isPlaying: this.#isPlaying,
      encoding: video?.encoding ?? '',
      dimensions: video?.dimensions,
    };
  }

  /** Resolves when the session at the camera has ended, or the camera does not respond. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    this.#server.close();
    this.#decoder?.destroy();
    await this.#camera?.close();
  }

  #accept(socket: Socket): void {
    const reader = new RequestReader();
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const incoming of reader.push(chunk)) {
        if (this.#decoder === undefined && !this.#isOurs(incoming)) {
          socket.destroy();
          return;
        }
        if (this.#decoder === undefined) this.#admit(socket);
        this.#take(incoming);
      }
    });
  }

  #isOurs(incoming: Incoming): boolean {
    return (
      this.#closed === undefined &&
      incoming.kind === 'request' &&
      incoming.request.url.startsWith(this.#local)
    );
  }

  #admit(socket: Socket): void {
    this.#decoder = socket;
    this.#server.close();
    socket.on('drain', () => this.#camera?.resume());
    socket.on('close', () => void this.close());
  }

  #take(incoming: Incoming): void {
    if (incoming.kind === 'interleaved') this.#camera?.sendPacket(incoming.channel, incoming.packet);
    if (incoming.kind !== 'request') return;
    const { request } = incoming;
    this.#requests = this.#requests.then(async () => {
      if (this.#closed) return;
      try {
        this.#answer(request, await this.#forward(request));
      } catch (error) {
        this.#fail(
          error instanceof QcError ? error : new QcError('internal', String(error), { cause: error }),
        );
      }
    });
  }

  async #forward({ method, url, headers }: RtspRequest): Promise<Reply> {
    this.#asked = method;
    const passed = [...headers]
      .filter(([name]) => !notPassedOn.has(name))
      .map(([name, value]) => `${titled(name)}: ${value}`);
    for (;;) {
      this.#camera ??= await this.#connect();
      const uri = url.startsWith(this.#local) ? this.#address + url.slice(this.#local.length) : url;
      const reply = await this.#camera.ask(method, uri, passed);
      if (Redirects.is(reply)) await this.#goElsewhere(reply);
      else return this.#checked(method, reply);
    }
  }

  async #connect(): Promise<CameraConnection> {
    const camera = await CameraConnection.open(this.#place, {
      account: this.#account,
      timeoutMs: this.#options.timeoutMs,
      events: {
        onPackets: (bytes) => this.#passOn(bytes),
        // By convention, even channels are media and odd ones RTCP.
        onPacket: (channel, data, start, end) => {
          if (channel % 2 === 0) this.#look(data, start, end);
        },
        onLost: (error) => this.#fail(error),
      },
    });
    if (this.#closed) await camera.close();
    return camera;
  }

  async #goElsewhere(reply: Reply): Promise<void> {
    const to = this.#redirects.next(reply);
    await this.#camera?.close();
    this.#camera = undefined;
    if (!isSameHost(this.#address, to)) this.#account = undefined;
    this.#address = to;
    this.#place = placeOf(to);
  }

  /** @throws QcError if the camera refuses, or has no readable stream */
  #checked(method: string, reply: Reply): Reply {
    const isFine = reply.status >= 200 && reply.status < 300;
    if (!isFine && method === 'OPTIONS' && optional.has(reply.status))
      return { ...reply, status: 200, phrase: 'OK' };
    // A keep-alive that the camera does not support still keeps the connection alive.
    if (!isFine && !/_PARAMETER$|^TEARDOWN$/.test(method))
      throw refusal(reply, method, this.#options.transport);
    if (method === 'DESCRIBE') {
      this.#tracks = readDescription(reply.body);
      const fault = descriptionFault(this.#tracks);
      if (fault) throw fault;
    }
    if (method === 'PLAY') this.#isPlaying = true;
    return reply;
  }

  #answer(request: RtspRequest, reply: Reply): void {
    const lines = [`RTSP/1.0 ${reply.status} ${reply.phrase}`, `CSeq: ${request.headers.get('cseq') ?? 0}`];
    for (const [name, values] of reply.headers) {
      if (notPassedOn.has(name)) continue;
      for (const value of values)
        lines.push(`${titled(name)}: ${name === 'transport' ? this.#withSource(value) : value}`);
    }
    if (reply.body) lines.push(`Content-Length: ${Buffer.byteLength(reply.body)}`);
    this.#decoder?.write(
      Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(reply.body)]),
    );
  }

  #passOn(bytes: Buffer): void {
    const decoder = this.#decoder;
    decoder?.write(bytes);
    if (decoder && decoder.writableLength > maxWaiting) this.#camera?.pause();
  }

  /** UDP packets do not pass through the relay: the decoder must know their source address. */
  #withSource(transport: string): string {
    const isUdp = /client_port=/i.test(transport) && !/source=/i.test(transport);
    return isUdp ? `${transport};source=${this.#camera?.remoteAddress}` : transport;
  }

  #look(data: Buffer, start: number, end: number): void {
    inspectPayload(data, start, end, this.#tracks, this.#seen);
    if (!this.#seen.isJpegTooLarge) return;
    const { dimensions } = this.facts;
    const size = dimensions ? ` (${dimensions.replace(',', '×')})` : '';
    const remedy = 'set the stream of the camera to H.264 or H.265, or to at most 2040 pixels a side';
    this.#fail(
      new QcError(
        'camera-codec',
        `MJPEG over RTP is limited to 2040 pixels per side; the images are larger${size}`,
        {
          remedy,
        },
      ),
    );
  }

  #fail(fault: QcError): void {
    if (this.#closed) return;
    this.#onFault(fault);
    void this.close();
  }
}

/** Header names in the case of RFC 2326, for cameras that compare them case-sensitively. */
const titled = (name: string) => name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
