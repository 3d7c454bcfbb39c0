/** RTSP clients of other projects, and a simple one that can violate the protocol. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Codec, CodecContext, Dictionary, FFmpegError, FormatContext, Frame, Packet } from 'node-av/lib';

export type TransportName = 'tcp' | 'udp';

/** Runs a program and returns its exit code and output; killed after 20 s. */
export async function runProgram(
  command: string,
  args: readonly string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, stdout, stderr };
}

/** Whether a command can run; if not, prints that the tests that need it are skipped. */
export function available(what: string, command: string, args: readonly string[]): boolean {
  const works = spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  if (!works) console.log(`skipped: ${what} is not installed here`);
  return works;
}

/** MD5 of each decoded image, from ffmpeg's framemd5. */
export async function ffmpegPictures(
  url: string,
  transport: TransportName,
  count: number,
): Promise<string[]> {
  const { stdout, stderr } = await runProgram('ffmpeg', [
    ...['-hide_banner', '-loglevel', 'error', '-rtsp_transport', transport, '-i', url],
    ...['-frames:v', String(count), '-an', '-vsync', '0', '-f', 'framemd5', '-'],
  ]);
  const hashes = stdout.split('\n').filter((row) => row.startsWith('0,'));
  if (hashes.length < count) throw new Error(`ffmpeg gave ${hashes.length} of ${count} pictures: ${stderr}`);
  return hashes.map((row) => row.split(',').at(-1)!.trim());
}

export interface AvPicture {
  readonly width: number;
  readonly height: number;
  readonly md5: string;
}

/** Images decoded by node-av until `enough` is true; rejects if the stream cannot be opened or ends. */
export async function nodeAvPictures(
  url: string,
  transport: TransportName,
  enough: (pictures: readonly AvPicture[]) => boolean,
): Promise<AvPicture[]> {
  await using input = new FormatContext();
  const options = Dictionary.fromObject({ rtsp_transport: transport, timeout: 5_000_000 });
  FFmpegError.throwIfError(await input.openInput(url, null, options), 'opening');
  FFmpegError.throwIfError(await input.findStreamInfo(null), 'looking at the stream');
  const stream = input.streams?.[0];
  const codec = stream && Codec.findDecoder(stream.codecpar.codecId);
  if (!stream || !codec) throw new Error('no video');
  using decoder = new CodecContext();
  decoder.allocContext3(codec);
  decoder.parametersToContext(stream.codecpar);
  decoder.threadCount = 1;
  FFmpegError.throwIfError(await decoder.open2(codec), 'opening the decoder');
  using packet = new Packet();
  packet.alloc();
  using frame = new Frame();
  frame.alloc();
  const pictures: AvPicture[] = [];
  while (!enough(pictures)) {
    FFmpegError.throwIfError(await input.readFrame(packet), 'reading');
    // The decoder sometimes refuses damaged images: the next ones count.
    await decoder.sendPacket(packet);
    packet.unref();
    while ((await decoder.receiveFrame(frame)) >= 0) {
      const md5 = createHash('md5').update(frame.toBuffer()).digest('hex');
      pictures.push({ width: frame.width, height: frame.height, md5 });
      frame.unref();
    }
  }
  return pictures;
}

/** A client that sends exactly the given bytes. */
export class BareClient implements Disposable {
  readonly socket: Socket;
  received = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    this.socket.on('error', () => undefined);
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** Sends a correct request. */
  request(method: string, url: string, headers: Readonly<Record<string, string>> = {}): void {
    const fields = Object.entries({ CSeq: '1', ...headers }).map(
      ([field, value]) => `${field}: ${value}\r\n`,
    );
    this.send(`${method} ${url} RTSP/1.0\r\n${fields.join('')}\r\n`);
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
