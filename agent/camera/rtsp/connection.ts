/** One connection to a camera: sends requests, logs in, and ends the session before it disconnects. */
import type { Socket } from 'node:net';
import { QcError } from '../../../config/errors.ts';
import { type Challenge, readChallenges } from './challenge.ts';
import { dial, type Place } from './dial.ts';
import { type Account, Login, schemeOf } from './login.ts';
import { type CameraRequest, type Reply, type ReplyEvents, ReplyReader } from './reply.ts';

export interface ConnectionOptions {
  readonly account: Account | undefined;
  /** Timeout for connecting and for each reply, ms. */
  readonly timeoutMs: number;
  readonly events: Pick<ReplyEvents, 'onPackets' | 'onPacket'> & {
    /** The camera closed the connection, or does not speak RTSP. Not called after `close`. */
    onLost(error: QcError): void;
  };
}

/** Time for the camera to confirm the end of the session, ms. */
const farewellMs = 500;
/** Maximum number of consecutive replies that report a stale nonce. */
const maxStale = 2;

export class CameraConnection {
  readonly #place: Place;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #login: Login | undefined;
  #cseq = 0;
  #waiting: { cseq: number; settle: (outcome: Reply | QcError) => void } | undefined;
  #lost: QcError | undefined;
  #isClosing = false;
  #isRtsp = false;
  #wasAccepted = false;
  #session: string | undefined;
  #sessionUri = '';

  private constructor(place: Place, socket: Socket, options: ConnectionOptions) {
    this.#place = place;
    this.#socket = socket;
    this.#options = options;
    this.#login = options.account && new Login(options.account);
    const { onPackets, onPacket } = options.events;
    const reader = new ReplyReader({
      onPackets: (bytes) => !this.#isClosing && onPackets(bytes),
      onPacket,
      onText: (text) => (text.kind === 'reply' ? this.#replied(text) : this.#asked(text)),
      onNonsense: (first) => this.#lose(nonsense(first, this.#where)),
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', (error) => this.#lose(this.#ended(error.message)));
    socket.on('close', () => this.#lose(this.#ended('')));
  }

  /** @throws QcError why it cannot be reached */
  static async open(place: Place, options: ConnectionOptions): Promise<CameraConnection> {
    return new CameraConnection(place, await dial(place, options.timeoutMs), options);
  }

  /** The source address of the camera's packets. */
  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  /** Stops reading while the decoder is too slow; TCP then slows the camera down. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Passes on what the decoder sends inside the connection: its receiver reports. */
  sendPacket(channel: number, packet: Buffer): void {
    const head = Buffer.from([0x24, channel, packet.length >> 8, packet.length & 0xff]);
    this.#socket.write(Buffer.concat([head, packet]));
  }

  /**
   * Sends a request. If the camera requires a log-in, the request is repeated once with credentials: never twice with the
   * same password. One request at a time.
   * @throws QcError camera-unauthorized, camera-unreachable; and the reason why the connection ended
   */
  async ask(method: string, uri: string, headers: readonly string[]): Promise<Reply> {
    let stale = 0;
    for (;;) {
      const authorization = this.#login?.authorization(method, uri);
      const reply = await this.#exchange(method, uri, [
        ...headers,
        ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
      ]);
      if (reply.status !== 401) {
        if (authorization !== undefined) this.#wasAccepted = true;
        for (const info of reply.headers.get('authentication-info') ?? []) this.#login?.informed(info);
        if (reply.status === 200) this.#follow(method, uri, reply);
        return reply;
      }
      const challenges = readChallenges(reply.headers.get('www-authenticate') ?? []);
      const isStale =
        this.#wasAccepted ||
        challenges.some(({ parameters }) => /^true$/i.test(parameters.get('stale') ?? ''));
      if (authorization !== undefined && (!isStale || ++stale > maxStale)) throw refused(reply);
      if (!this.#login) throw anonymous();
      if (!this.#login.choose(challenges)) throw unanswerable(challenges);
    }
  }

  /** Ends the session, also one that is being set up, and disconnects. Takes at most a second. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    // Incoming data is discarded, so that the camera is not blocked.
    this.#socket.resume();
    const timer = setTimeout(() => this.#lose(this.#ended('')), 2 * farewellMs);
    if (this.#waiting) await new Promise<void>((resolve) => this.#afterReply(resolve));
    if (this.#session !== undefined && !this.#lost) {
      await this.ask('TEARDOWN', this.#sessionUri, [`Session: ${this.#session}`]).catch(() => undefined);
    }
    clearTimeout(timer);
    this.#socket.destroySoon();
    setTimeout(() => this.#socket.destroy(), farewellMs).unref();
  }

  get #where(): string {
    return `${this.#place.host}:${this.#place.port}`;
  }

  #exchange(method: string, uri: string, headers: readonly string[]): Promise<Reply> {
    if (this.#lost) return Promise.reject(this.#lost);
    const cseq = ++this.#cseq;
    const lines = [`${method} ${uri} RTSP/1.0`, `CSeq: ${cseq}`, 'User-Agent: qc-edge-agent', ...headers];
    const waitMs = this.#isClosing ? farewellMs : this.#options.timeoutMs;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const what = `${this.#where} does not answer ${method} within ${waitMs} ms`;
        settle(new QcError('camera-unreachable', what));
      }, waitMs);
      const settle = (outcome: Reply | QcError) => {
        clearTimeout(timer);
        this.#waiting = undefined;
        if (outcome instanceof QcError) reject(outcome);
        else resolve(outcome);
      };
      this.#waiting = { cseq, settle };
      this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    });
  }

  #replied(reply: Reply): void {
    this.#isRtsp = true;
    const cseq = reply.headers.get('cseq')?.[0];
    // A reply that arrives after its timeout.
    if (cseq !== undefined && Number(cseq) < (this.#waiting?.cseq ?? 0)) return;
    this.#waiting?.settle(reply);
  }

  #afterReply(then: () => void): void {
    const waiting = this.#waiting!;
    this.#waiting = {
      ...waiting,
      settle(outcome) {
        waiting.settle(outcome);
        // After the caller has handled the session of the reply.
        setImmediate(then);
      },
    };
  }

  /** Remembers the session for TEARDOWN. */
  #follow(method: string, uri: string, reply: Reply): void {
    if (method === 'SETUP') {
      this.#session ??= reply.headers.get('session')?.[0]?.split(';')[0]?.trim();
      this.#sessionUri ||= uri;
    }
    if (method === 'PLAY') this.#sessionUri = uri;
    if (method === 'TEARDOWN') this.#session = undefined;
  }

  /** Answers a camera's keep-alive request; any other request is answered with 501 (section 10). */
  #asked({ method, headers }: CameraRequest): void {
    const isAlive = ['OPTIONS', 'GET_PARAMETER', 'SET_PARAMETER'].includes(method);
    const status = isAlive ? '200 OK' : '501 Not Implemented';
    this.#socket.write(`RTSP/1.0 ${status}\r\nCSeq: ${headers.get('cseq')?.[0] ?? '0'}\r\n\r\n`, 'latin1');
  }

  #ended(detail: string): QcError {
    const what = `${this.#where} closed the connection${detail ? ` (${detail})` : ''}`;
    return this.#isRtsp
      ? new QcError('camera-ended', what)
      : new QcError('camera-not-rtsp', `${what} without an answer`);
  }

  #lose(error: QcError): void {
    if (this.#lost) return;
    this.#lost = error;
    this.#socket.destroy();
    this.#waiting?.settle(error);
    if (!this.#isClosing) this.#options.events.onLost(error);
  }
}

function refused(reply: Reply): QcError {
  const what = 'the camera rejects user or password';
  return new QcError(
    'camera-unauthorized',
    `${what} (${reply.status}${reply.phrase ? ` ${reply.phrase}` : ''})`,
  );
}

function anonymous(): QcError {
  const remedy =
    'write the user into url (rtsp://user@host/path) and name a file with the password in passwordFile';
  return new QcError('camera-unauthorized', 'the camera asks for a user and a password (401)', { remedy });
}

function unanswerable(challenges: readonly Challenge[]): QcError {
  const offered = challenges.map(schemeOf).join(', ') || 'nothing';
  const remedy = 'set the authentication of the camera to digest (MD5 or SHA-256)';
  const what = `the camera wants an authentication that the agent cannot answer; it offers ${offered}`;
  return new QcError('camera-unauthorized', what, { remedy });
}

/** Names the protocol that answers instead of RTSP, by its first bytes. */
function nonsense(first: Buffer, where: string): QcError {
  const text = first.toString('latin1');
  // A TLS alert or handshake record (RFC 8446 section 5.1).
  if (first[1] === 0x03 && (first[0] === 0x15 || first[0] === 0x16)) {
    return new QcError('camera-not-rtsp', `${where} speaks TLS`, { remedy: 'write rtsps:// in url' });
  }
  const what = /^(HTTP\/|<)/.test(text) ? 'HTTP' : /^SSH-/.test(text) ? 'SSH' : 'something else';
  return new QcError('camera-not-rtsp', `${where} answers with ${what} instead of RTSP`);
}
