import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ReplyReader } from '../../../../agent/camera/rtsp/reply.ts';

const packet = (channel: number, payload: string) =>
  Buffer.concat([Buffer.from([0x24, channel, 0, payload.length]), Buffer.from(payload)]);
const reply =
  'RTSP/1.0 200 OK\r\nCSeq: 3\r\nWWW-Authenticate: a\r\nwww-authenticate:b\r\nContent-Length: 4\r\n\r\nv=0\n';
const request = 'OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n';

/** The events of a reader for these pieces, in order; packets are reassembled. */
async function read(pieces: readonly Buffer[]): Promise<string[]> {
  const events: string[] = [];
  let passed = '';
  const flush = () => {
    if (passed) events.push(`packets ${passed}`);
    passed = '';
  };
  const reader = new ReplyReader({
    onPackets(bytes) {
      passed += bytes.toString('latin1');
    },
    onPacket: () => undefined,
    onText(text) {
      flush();
      if (text.kind === 'request') events.push(`${text.method} ${text.headers.get('cseq')}`);
      else
        events.push(`${text.status} ${text.body.trim()} ${text.headers.get('www-authenticate')?.join('+')}`);
    },
    onNonsense: (first) => void events.push(`nonsense ${first.toString('latin1')}`),
  });
  for (const piece of pieces) {
    reader.push(piece);
    await turn();
  }
  await turn();
  flush();
  return events;
}

it('splits the data of a camera correctly, independent of network segments', async () => {
  const bytes = Buffer.concat([
    Buffer.from(reply),
    packet(0, 'RTSP/1.0 200 OK\r\n\r\n'),
    packet(1, ''),
    packet(0, '$$$$'),
    Buffer.from(request),
    packet(2, 'x'),
    Buffer.from(reply.replaceAll('\r\n', '\n')),
  ]);
  const whole = await read([bytes]);
  expect(whole).toHaveLength(5);
  expect(whole[0]).toBe('200 v=0 a+b');
  expect(whole[2]).toBe('OPTIONS 7');
  expect(whole[4]).toBe('200 v=0 a+b');
  for (let at = 1; at < bytes.length; at++) {
    expect(await read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
  }
  expect(await read(Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual(whole);
});

it('delivers a reply before the packets that follow it in the same piece', async () => {
  const events: string[] = [];
  const reader = new ReplyReader({
    onPackets: () => void events.push('packets'),
    onPacket: () => undefined,
    onText: () => void Promise.resolve().then(() => events.push('answered')),
    onNonsense: () => undefined,
  });
  reader.push(Buffer.concat([Buffer.from(reply), packet(0, 'x')]));
  reader.push(packet(0, 'y'));
  await turn();
  expect(events).toEqual(['answered', 'packets']);
});

it('reports data that is not RTSP, and finds the next packet', async () => {
  expect((await read([Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]))[0]).toMatch(/^nonsense HTTP/);
  expect((await read([Buffer.from([0x15, 3, 3, 0, 2, 2, 70])]))[0]).toMatch(/^nonsense/);
  const lost = Buffer.concat([Buffer.from(reply), Buffer.from('lost bytes of a packet'), packet(0, 'next')]);
  expect((await read([lost]))[1]).toContain('next');
  expect(await read([Buffer.from(`RTSP/1.0 200 OK\r\n${'x'.repeat(100_000)}`)])).not.toContain('200');
});
