import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Damage extends AsyncDisposable {
  readonly port: number;
  /** Damages one RTP packet in this number from now on; 0 = none. */
  every(packets: number): void;
}

/**
 * A bad cable: forwards RTSP connections to a port of this machine and damages the payload of their interleaved RTP packets
 * (RFC 2326 clause 10.12: `$`, channel, 16-bit length, packet).
 */
export async function openDamage(toPort: number): Promise<Damage> {
  let every = 0;
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const camera = connect(toPort, '127.0.0.1');
    for (const socket of [client, camera]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        camera.destroy();
      });
    }
    client.pipe(camera);
    let rest = Buffer.alloc(0);
    camera.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      const whole = spoil(rest);
      client.write(Buffer.from(rest.subarray(0, whole)));
      rest = rest.subarray(whole);
    });
  });

  /** Damages complete packets and returns the number of their bytes. */
  function spoil(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length) {
      if (bytes[at] !== 0x24) return bytes.length; // an RTSP answer, unchanged
      if (at + 4 > bytes.length) return at;
      const end = at + 4 + bytes.readUInt16BE(at + 2);
      if (end > bytes.length) return at;
      const isVideo = bytes[at + 1] === 0;
      if (isVideo && every > 0 && ++count % every === 0) {
        // Keeps the RTP and FU headers, so that the stream stays recognizable.
        for (let spoilt = at + 4 + 12 + 16; spoilt < end; spoilt += 7) bytes[spoilt]! ^= 0x5a;
      }
      at = end;
    }
    return at;
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    every(packets) {
      every = packets;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
