/** An RTSP camera with properties of real ones: various log-ins, few sessions, redirections, or no image. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer as createPlain, type Server, type Socket } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { RequestReader, type RtspRequest } from '../../agent/camera/rtsp/request.ts';
import { openEncoder } from '../../agent/demo/encode.ts';
import { h264 } from '../../agent/demo/rtsp/h264.ts';
import { RtpStream } from '../../agent/demo/rtsp/rtp.ts';
import { openTransport, type Transport } from '../../agent/demo/rtsp/transport.ts';
import type { Certificates } from './certificates.ts';
import { type CameraLogin, DigestCheck } from './digest-check.ts';

export type OddVideo = 'whole' | 'keyless' | 'large-jpeg' | 'none';

export interface OddCameraOptions {
  readonly login?: CameraLogin;
  /** The answer to a method instead of the usual one: `453 Not Enough Bandwidth`. */
  readonly answers?: Readonly<Record<string, string>>;
  /** Redirection of DESCRIBE for a path; undefined: none. */
  readonly redirect?: (path: string) => string | undefined;
  /** Maximum number of sessions; more get 453. A session ends only by TEARDOWN, not with its connection. */
  readonly maxSessions?: number;
  readonly only?: 'tcp' | 'udp';
  /** Changes the description. */
  readonly describe?: (usual: string) => string;
  /** Video: normal H.264, H.264 without key frames, a part of a large MJPEG, or nothing. */
  readonly video?: OddVideo;
  readonly tls?: Certificates;
  /** Sends the first packets in one piece with the reply to PLAY. */
  readonly hasty?: boolean;
}

export interface OddCamera extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Video for the next clients. */
  video: OddVideo;
  /** Requested methods, oldest first. */
  readonly asked: string[];
  /** Number of open sessions. */
  readonly sessions: number;
  /** Number of log-ins with a wrong answer. */
  readonly wrongLogins: number;
}

interface Picture {
  readonly payloads: readonly Buffer[];
  readonly key: boolean;
}

const everyMs = 40;

/** Opens it on a free port of 127.0.0.1. */
export async function openOddCamera(options: OddCameraOptions = {}): Promise<OddCamera> {
  const { tls, login } = options;
  let video = options.video ?? 'whole';
  const { pictures, parameters } = await encoded();
  const asked: string[] = [];
  const sessions = new Set<string>();
  const sockets = new Set<Socket>();
  const check = login && new DigestCheck(login);
  const sent = { whole: pictures, keyless: pictures.filter(({ key }) => !key) };

  function serve(socket: Socket): void {
    const reader = new RequestReader();
    const session = randomBytes(4).toString('hex');
    const stream = new RtpStream(96);
    let transport: Transport | undefined;
    let timer: NodeJS.Timeout | undefined;
    let next = 0;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      clearInterval(timer);
      transport?.close();
    });

    function send(what: Exclude<OddVideo, 'none'>): void {
      const isJpeg = what === 'large-jpeg';
      const payloads = isJpeg ? [largeJpeg] : sent[what][next++ % sent[what].length]!.payloads;
      for (const [index, payload] of payloads.entries()) {
        const packet = stream.packet(payload, Date.now(), index === payloads.length - 1);
        if (isJpeg) packet[1] = 0x80 | 26;
        transport?.sendRtp(packet);
      }
    }

    async function answer({ method, url, headers }: RtspRequest): Promise<readonly string[]> {
      asked.push(method);
      const authorization = headers.get('authorization');
      if (check && method !== 'OPTIONS' && !check.allows(authorization, method)) {
        return ['401 Unauthorized', ...check.challenges.map((challenge) => `WWW-Authenticate: ${challenge}`)];
      }
      const instead = options.answers?.[method];
      if (instead) return [instead];
      const path = new URL(url.replace(/^rtsps?/, 'http')).pathname;
      if (method === 'DESCRIBE') {
        const to = options.redirect?.(path);
        if (to !== undefined) return ['302 Moved Temporarily', `Location: ${to}`];
        const usual = description(parameters);
        return [
          '200 OK',
          'Content-Type: application/sdp',
          `Content-Base: ${url}/`,
          options.describe?.(usual) ?? usual,
        ];
      }
      if (method === 'SETUP') {
        const wanted = headers.get('transport') ?? '';
        if (options.only && /TCP/.test(wanted) !== (options.only === 'tcp'))
          return ['461 Unsupported Transport'];
        if (sessions.size >= (options.maxSessions ?? 99)) return ['453 Not Enough Bandwidth'];
        sessions.add(session);
        transport = await openTransport(wanted, socket);
        return ['200 OK', `Transport: ${transport!.description}`, `Session: ${session};timeout=60`];
      }
      if (method === 'PLAY' && video !== 'none') {
        const what = video;
        timer = setInterval(send, everyMs, what);
        if (options.hasty) socket.cork();
        process.nextTick(() => {
          send(what);
          socket.uncork();
        });
      }
      if (method === 'TEARDOWN') {
        sessions.delete(session);
        clearInterval(timer);
      }
      return ['200 OK', `Session: ${session}`];
    }

    socket.on('data', async (chunk: Buffer) => {
      for (const incoming of reader.push(chunk)) {
        if (incoming.kind !== 'request') continue;
        const [status = '', ...rest] = await answer(incoming.request);
        const body = rest.at(-1)?.startsWith('v=0') ? rest.pop()! : '';
        const lines = [`RTSP/1.0 ${status}`, `CSeq: ${incoming.request.headers.get('cseq')}`, ...rest];
        if (body) lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
        socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
      }
    });
  }

  const server: Server = tls
    ? createTls({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, serve)
    : createPlain(serve);
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `rtsp${tls ? 's' : ''}://127.0.0.1:${port}/stream`,
    port,
    asked,
    get video() {
      return video;
    },
    set video(what) {
      video = what;
    },
    get sessions() {
      return sessions.size;
    },
    get wrongLogins() {
      return check?.wrong ?? 0;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** Two seconds of noise without repetition, so that no image appears frozen. */
async function encoded(): Promise<{ pictures: Picture[]; parameters: string }> {
  const [width, height] = [320, 240];
  await using encoder = await openEncoder({ codec: 'h264', width, height, fps: 25 });
  const pictures: Picture[] = [];
  let parameters = '';
  for (let n = 0; n < 50; n++) {
    const image = { width, height, data: randomBytes(width * height * 3).map((byte) => 100 + (byte >> 3)) };
    const { data, key } = await encoder.encode(image, n % 25 === 0);
    parameters ||= h264.formatParameters(data);
    pictures.push({ payloads: h264.packetise(data), key });
  }
  return { pictures, parameters };
}

function description(parameters: string): string {
  return [
    'v=0',
    'o=- 0 0 IN IP4 127.0.0.1',
    's=odd camera',
    't=0 0',
    'a=control:*',
    'm=video 0 RTP/AVP 96',
    'a=rtpmap:96 H264/90000',
    `a=fmtp:96 ${parameters}`,
    'a=control:track0',
    '',
  ].join('\r\n');
}

/** RFC 2435 section 3.1: type 1, quality 80, without width and height, which do not fit into a byte. */
const largeJpeg = Buffer.concat([Buffer.from([0, 0, 0, 0, 1, 80, 0, 0]), randomBytes(500)]);
