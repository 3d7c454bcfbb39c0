import { describe, expect, test } from 'vitest';
import { openSimulatedCamera, type SimulatedCameraOptions } from '../../../../agent/demo/camera.ts';
import { codecs } from '../../../../agent/demo/rtsp/payload.ts';
import { until } from '../../../rigs/until.ts';
import { available, BareClient, ffmpegPictures, nodeAvPictures, runProgram } from './clients.ts';
import { movingBelt } from './pictures.ts';

const user = 'inspector';
const password = 'pass:wörd 1';
const login = `//${user}:${encodeURIComponent(password)}@`;

const open = (options: Partial<SimulatedCameraOptions> = {}) =>
  openSimulatedCamera({ codec: 'h264', width: 320, height: 240, fps: 12, draw: movingBelt(), ...options });

const hasFfmpeg = available('ffmpeg', 'ffmpeg', ['-version']);
const python = '/usr/bin/python3';
const gstCheck = `import gi; gi.require_version('Gst','1.0'); from gi.repository import Gst; Gst.init(None)
assert all(Gst.ElementFactory.find(n) for n in ['rtspsrc','rtph264depay','rtph265depay','rtpjpegdepay','h264parse','h265parse','jpegparse'])`;
const hasGStreamer = available('GStreamer for Python', python, ['-c', gstCheck]);

describe.each(codecs)('%s', (codec) => {
  describe.each(['tcp', 'udp'] as const)('over %s with digest', (transport) => {
    test.skipIf(!hasFfmpeg)('is pulled by ffmpeg', async () => {
      await using camera = await open({ codec, user, password });
      const pictures = await ffmpegPictures(camera.url.replace('//', login), transport, 10);
      expect(new Set(pictures).size).toBe(10);
    });

    test('is pulled by node-av', async () => {
      await using camera = await open({ codec, user, password });
      const url = camera.url.replace('//', login);
      const pictures = await nodeAvPictures(url, transport, ({ length }) => length === 10);
      expect(new Set(pictures.map(({ md5 }) => md5)).size).toBe(10);
      expect(pictures[0]).toMatchObject({ width: 320, height: 240 });
      await until(() => camera.clients === 0, { what: 'the client gone' });
    });

    test.skipIf(!hasGStreamer)('is pulled by GStreamer', async () => {
      await using camera = await open({ codec, user, password });
      const [depay, parse] = { h264: ['h264', 'h264'], h265: ['h265', 'h265'], mjpeg: ['jpeg', 'jpeg'] }[
        codec
      ];
      const { stdout, stderr } = await runProgram(python, [
        '-c',
        `import gi, sys
gi.require_version('Gst','1.0')
from gi.repository import Gst, GLib
Gst.init(None)
p = Gst.parse_launch('rtspsrc name=s latency=0 protocols=${transport} ! rtp${depay}depay ! ${parse}parse ! identity name=i ! fakesink sync=false')
s = p.get_by_name('s')
s.props.location, s.props.user_id, s.props.user_pw = sys.argv[1:4]
loop = GLib.MainLoop()
count = 0
def picture(*_):
  global count
  count += 1
  if count == 10: loop.quit()
def message(_, m):
  if m.type == Gst.MessageType.ERROR:
    print(m.parse_error(), file=sys.stderr)
    loop.quit()
p.get_by_name('i').connect('handoff', picture)
p.get_bus().add_signal_watch()
p.get_bus().connect('message', message)
p.set_state(Gst.State.PLAYING)
GLib.timeout_add_seconds(12, loop.quit)
loop.run()
p.set_state(Gst.State.NULL)
print(count)`,
        camera.url,
        user,
        password,
      ]);
      expect(Number(stdout), stderr).toBeGreaterThanOrEqual(10);
    });
  });

  test('repeats identical images while frozen, and continues afterwards', async () => {
    await using camera = await open({ codec });
    let step: 'running' | 'frozen' | 'thawed' = 'running';
    const longestRun = (hashes: readonly string[]) => {
      let run = 1;
      let longest = 1;
      for (let at = 1; at < hashes.length; at++) {
        run = hashes[at] === hashes[at - 1] ? run + 1 : 1;
        longest = Math.max(longest, run);
      }
      return longest;
    };
    const pictures = await nodeAvPictures(camera.url, 'tcp', (seen) => {
      const hashes = seen.map(({ md5 }) => md5);
      if (step === 'running' && seen.length === 5) {
        expect(new Set(hashes).size).toBe(5);
        camera.freeze(true);
        step = 'frozen';
      } else if (step === 'frozen' && longestRun(hashes) >= 8) {
        camera.freeze(false);
        step = 'thawed';
      }
      return (step === 'thawed' && hashes.at(-1) !== hashes.at(-2)) || seen.length > 100;
    });
    expect(step).toBe('thawed');
    expect(pictures.length).toBeLessThan(100);
  });

  test('changes its resolution in the middle of the stream', async () => {
    await using camera = await open({ codec });
    const pictures = await nodeAvPictures(camera.url, 'tcp', (seen) => {
      if (seen.length === 3) camera.resize(480, 360);
      return seen.at(-1)?.width === 480 || seen.length > 100;
    });
    expect(pictures.at(-1)).toMatchObject({ width: 480, height: 360 });
  });

  test('continues while its packets are corrupted', async () => {
    await using camera = await open({ codec });
    camera.corrupt(0.3, 7);
    using client = await playing(camera.url, camera.port);
    await until(() => client.received.length > 30_000, { what: 'damaged packets' });
    camera.corrupt(0);
    const pictures = await nodeAvPictures(camera.url, 'tcp', ({ length }) => length === 3);
    expect(pictures).toHaveLength(3);
  });
});

test('a wrong password, no password and a wrong path are refused', async () => {
  await using camera = await open({ user, password });
  for (const [url, status] of [
    [camera.url, '401'],
    [camera.url.replace('//', `//${user}:wrong@`), '401'],
    [`${camera.url.replace('//', login)}s`, '404'],
  ] as const) {
    await expect(nodeAvPictures(url, 'tcp', () => true)).rejects.toThrow(
      status === '401' ? /401|authoriz/i : /404|not found/i,
    );
  }
});

test('several clients play at once', async () => {
  await using camera = await open();
  const pull = () => nodeAvPictures(camera.url, 'tcp', ({ length }) => length === 6);
  const all = await Promise.all([pull(), pull(), pull()]);
  expect(all.map(({ length }) => length)).toEqual([6, 6, 6]);
});

test.each([
  ['text that is not a request', 'HELLO\r\n\r\n', '400'],
  ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', '400'],
  ['headers without a colon', 'OPTIONS * RTSP/1.0\r\nCSeq 1\r\n\r\n', '400'],
  ['no CSeq', 'OPTIONS * RTSP/1.0\r\n\r\n', '400'],
  ['an unknown method', 'FLY rtsp://x/camera RTSP/1.0\r\nCSeq: 1\r\n\r\n', '501'],
  ['an invalid URL', 'DESCRIBE :// RTSP/1.0\r\nCSeq: 1\r\n\r\n', '400'],
  ['an invalid length', 'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -5\r\n\r\n', '400'],
  ['an endless header', `OPTIONS * RTSP/1.0\r\nX: ${'y'.repeat(40_000)}`, '400'],
  ['PLAY without a session', 'PLAY rtsp://x/camera RTSP/1.0\r\nCSeq: 1\r\n\r\n', '454'],
  [
    'an unsupported transport',
    'SETUP rtsp://x/camera RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;multicast\r\n\r\n',
    '461',
  ],
])('answers %s and continues', async (_, request, status) => {
  await using camera = await open();
  using rude = new BareClient(camera.port);
  rude.send(request);
  await until(() => rude.text.startsWith(`RTSP/1.0 ${status}`), { what: `${status}, got ${rude.text}` });
  using polite = new BareClient(camera.port);
  polite.request('OPTIONS', '*');
  await until(() => /^RTSP\/1\.0 200.*Public:.*PLAY/s.test(polite.text), { what: 'OPTIONS answered' });
});

test('ignores interleaved packets and random bytes from the client', async () => {
  await using camera = await open();
  using client = new BareClient(camera.port);
  client.send(Buffer.from([0x24, 1, 0, 4, 1, 2, 3, 4]));
  client.request('OPTIONS', '*');
  await until(() => client.text.includes('200 OK'), { what: 'the answer after a packet' });
  using noisy = new BareClient(camera.port);
  noisy.send(Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 7919 + (at >> 3)) & 0xff)));
  using next = new BareClient(camera.port);
  next.request('GET_PARAMETER', camera.url);
  await until(() => next.text.includes('200 OK'), { what: 'another client answered' });
});

test('sender reports contain the wall-clock time of the images', async () => {
  await using camera = await open();
  using client = await playing(camera.url, camera.port);
  const report = await until(() => firstPacket(client.received, 1), { what: 'a sender report' });
  expect(report.readUInt8(1)).toBe(200);
  const seconds = report.readUInt32BE(8) - 2_208_988_800 + report.readUInt32BE(12) / 2 ** 32;
  expect(Math.abs(seconds - Date.now() / 1_000)).toBeLessThan(15);
  const picture = await until(() => firstPacket(client.received, 0), { what: 'a picture' });
  expect(report.readUInt32BE(4)).toBe(picture.readUInt32BE(8));
  const apart = (picture.readUInt32BE(4) - report.readUInt32BE(16)) | 0;
  expect(Math.abs(apart) / 90_000).toBeLessThan(5);
});

test('a client that does not read loses images, the others lose none', async () => {
  // Large, noisy JPEG images fill the socket buffers of a client that never reads.
  await using camera = await open({ codec: 'mjpeg', width: 1280, height: 720, fps: 25 });
  using slow = await playing(camera.url, camera.port);
  slow.socket.pause();
  await until(() => camera.dropped > 0, { timeoutMs: 25_000, what: 'a dropped picture' });
  const pictures = await nodeAvPictures(camera.url, 'tcp', ({ length }) => length === 3);
  expect(pictures).toHaveLength(3);
});

test('stalls while connected, continues, disconnects its clients, stops and restarts on the same port', async () => {
  await using camera = await open();
  const { url } = camera;
  using client = await playing(url, camera.port);
  await until(() => firstPacket(client.received, 0), { what: 'a picture' });

  camera.stall(true);
  client.request('GET_PARAMETER', url, { CSeq: '77' });
  await until(() => client.text.includes('CSeq: 77'), { what: 'an answer while stalled' });
  const before = client.received.length;
  client.request('GET_PARAMETER', url, { CSeq: '78' });
  await until(() => client.text.includes('CSeq: 78'), { what: 'another answer' });
  expect(client.received.length - before).toBeLessThan(400);
  camera.stall(false);
  await until(() => client.received.length > before + 2_000, { what: 'pictures after the stall' });

  camera.disconnectAll();
  await until(() => client.socket.destroyed, { what: 'the connection cut' });
  expect(await nodeAvPictures(url, 'tcp', ({ length }) => length === 2)).toHaveLength(2);

  await camera.stop();
  await expect(nodeAvPictures(url, 'tcp', () => true)).rejects.toThrow();
  await camera.start();
  expect(camera.url).toBe(url);
  expect(await nodeAvPictures(url, 'tcp', ({ length }) => length === 2)).toHaveLength(2);
});

/** A simple client that plays over TCP: images on channel 0, reports on channel 1. */
async function playing(url: string, port: number): Promise<BareClient> {
  const client = new BareClient(port);
  client.request('SETUP', `${url}/track0`, { Transport: 'RTP/AVP/TCP;unicast;interleaved=0-1' });
  const session = await until(() => /Session: (\w+)/.exec(client.text)?.[1], { what: 'a session' });
  client.received = Buffer.alloc(0);
  client.request('PLAY', url, { Session: session });
  await until(() => client.text.startsWith('RTSP/1.0 200'), { what: 'PLAY answered' });
  client.received = client.received.subarray(client.received.indexOf('\r\n\r\n') + 4);
  return client;
}

/** The first interleaved packet of a channel, once it is complete. */
function firstPacket(bytes: Buffer, channel: number): Buffer | undefined {
  for (let at = 0; at + 4 <= bytes.length && bytes[at] === 0x24; ) {
    const length = bytes.readUInt16BE(at + 2);
    if (at + 4 + length > bytes.length) return undefined;
    if (bytes[at + 1] === channel) return bytes.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
  return undefined;
}
