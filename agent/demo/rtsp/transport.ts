/** Sends packets to one client: inside the RTSP connection or by UDP (RFC 2326 §10.12, §12.39). */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Socket } from 'node:net';

export interface Transport {
  /** Value of the Transport field of the answer. */
  readonly description: string;
  /** Unread bytes of the client; always 0 for UDP, where the network drops packets instead. */
  readonly backlog: number;
  sendRtp(packet: Buffer): void;
  sendRtcp(packet: Buffer): void;
  close(): void;
}

/** Opens the first of the client's proposals that can be served; undefined if none can (answered 461). */
export async function openTransport(proposals: string, socket: Socket): Promise<Transport | undefined> {
  for (const proposal of proposals.split(',')) {
    if (/^\s*RTP\/AVP\/TCP\b/i.test(proposal)) {
      const channels = /interleaved=(\d{1,3})-(\d{1,3})/i.exec(proposal);
      const [rtp, rtcp] = channels ? [Number(channels[1]), Number(channels[2])] : [0, 1];
      if (rtp < 256 && rtcp < 256) return interleavedTransport(socket, rtp, rtcp);
    }
    const ports = /^\s*RTP\/AVP(?:\/UDP)?;.*client_port=(\d{1,5})-(\d{1,5})/i.exec(proposal);
    if (ports && !/multicast/i.test(proposal)) {
      return udpTransport(socket.remoteAddress ?? '127.0.0.1', Number(ports[1]), Number(ports[2]));
    }
  }
  return undefined;
}

function interleavedTransport(socket: Socket, rtp: number, rtcp: number): Transport {
  const send = (channel: number, packet: Buffer) => {
    const framed = Buffer.allocUnsafe(4 + packet.length);
    framed[0] = 0x24;
    framed[1] = channel;
    framed.writeUInt16BE(packet.length, 2);
    framed.set(packet, 4);
    socket.write(framed);
  };
  return {
    description: `RTP/AVP/TCP;unicast;interleaved=${rtp}-${rtcp}`,
    get backlog() {
      return socket.writableLength;
    },
    sendRtp: (packet) => send(rtp, packet),
    sendRtcp: (packet) => send(rtcp, packet),
    close: () => undefined,
  };
}

async function udpTransport(host: string, rtpPort: number, rtcpPort: number): Promise<Transport> {
  const [rtp, rtcp] = await bindPair(host.includes(':') ? 'udp6' : 'udp4');
  let open = true;
  // A disconnected client causes ICMP errors: the session ends with its connection, not here.
  const send = (from: UdpSocket, packet: Buffer, port: number) => {
    if (open) from.send(packet, port, host, () => undefined);
  };
  return {
    description: `RTP/AVP;unicast;client_port=${rtpPort}-${rtcpPort};server_port=${rtp.address().port}-${rtcp.address().port}`,
    backlog: 0,
    sendRtp: (packet) => send(rtp, packet, rtpPort),
    sendRtcp: (packet) => send(rtcp, packet, rtcpPort),
    close() {
      if (!open) return;
      open = false;
      rtp.close();
      rtcp.close();
    },
  };
}

/** Two consecutive ports for RTP and RTCP (RFC 3550 §11). */
async function bindPair(family: 'udp4' | 'udp6'): Promise<[UdpSocket, UdpSocket]> {
  for (let attempt = 0; ; attempt++) {
    const rtp = await bind(family, 0);
    try {
      return [rtp, await bind(family, rtp.address().port + 1)];
    } catch (error) {
      rtp.close();
      if (attempt === 9) throw error;
    }
  }
}

async function bind(family: 'udp4' | 'udp6', port: number): Promise<UdpSocket> {
  const socket = createSocket(family);
  try {
    socket.bind(port);
    await once(socket, 'listening');
  } catch (error) {
    socket.close();
    throw error;
  }
  // Data from receivers (reports, hole punching, ICMP errors) is read and discarded.
  socket.on('error', () => undefined);
  return socket;
}
