/** A proxy in front of a broker that records every packet of a client. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import mqttPacket, { type IConnectPacket, type Packet } from 'mqtt-packet';

export interface TappedConnection {
  /** Packets of the client, in order. */
  readonly packets: readonly Packet[];
  readonly connect: IConnectPacket | undefined;
  readonly isOpen: boolean;
  /** Cuts both connections without a DISCONNECT. */
  cut(): void;
}

export interface Tap extends AsyncDisposable {
  readonly url: string;
  /** Connections with a CONNECT, oldest first. */
  readonly connections: readonly TappedConnection[];
  /** Maximum number of simultaneous connections so far. */
  readonly maxOpen: number;
}

export async function openTap(brokerPort: number): Promise<Tap> {
  const all: TappedConnection[] = [];
  const sockets = new Set<Socket>();
  let maxOpen = 0;
  const server = createServer((client) => {
    const broker = connect(brokerPort, '127.0.0.1');
    const packets: Packet[] = [];
    const parser = mqttPacket.parser();
    parser.on('packet', (packet: Packet) => void packets.push(packet));
    let isOpen = true;
    const cut = () => {
      isOpen = false;
      client.destroy();
      broker.destroy();
    };
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(socket);
          cut();
        });
    }
    client.on('data', (chunk) => {
      parser.parse(chunk);
      broker.write(chunk);
    });
    broker.on('data', (chunk) => client.write(chunk));
    all.push({
      packets,
      get connect() {
        return packets.find((packet): packet is IConnectPacket => packet.cmd === 'connect');
      },
      get isOpen() {
        return isOpen;
      },
      cut,
    });
    maxOpen = Math.max(maxOpen, all.filter((one) => one.isOpen).length);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return all.filter(({ connect }) => connect !== undefined);
    },
    get maxOpen() {
      return maxOpen;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
