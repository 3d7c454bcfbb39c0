/**
 * A broker with the limits of hosted brokers: it refuses messages as they do, or closes the connection. MQTT 3.1.1 and 5.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import mqttPacket, {
  type IConnectPacket,
  type IPublishPacket,
  type ISubscribePacket,
  type Packet,
} from 'mqtt-packet';

/** How a broker refuses: with an answer or a DISCONNECT with this reason code, or by closing the connection. */
export type Refusing = { readonly answer: number } | { readonly disconnect: number } | 'hang-up';

export interface Limits {
  /** Maximum packet size, above which the connection ends; `announced`: CONNACK contains it. */
  maximumPacketSize?: { readonly bytes: number; readonly announced: boolean };
  /** Default 2; a message of QoS 2 is never delivered. */
  maximumQos?: 0 | 1;
  /** Retained messages and wills are refused. */
  noRetain?: boolean;
  /** Maximum number of unacknowledged messages; more end the connection. */
  receiveMaximum?: number;
  noWildcards?: boolean;
  /** Whether CONNACK contains `maximumQos`, `noRetain`, `receiveMaximum` and `noWildcards`; default true. */
  announces?: boolean;
  /** Supports MQTT 3.1.1 only. */
  only311?: boolean;
  publish?(packet: IPublishPacket): Refusing | undefined;
  subscribe?(filter: string): Refusing | undefined;
}

export interface Taken {
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly bytes: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into JSON of every kind
  readonly json: any;
}

export interface LimitedBroker extends AsyncDisposable {
  readonly url: string;
  /** Limits from now on. */
  limits: Limits;
  /** Accepted CONNECT packets, oldest first. */
  readonly connects: readonly IConnectPacket[];
  readonly taken: readonly Taken[];
  readonly subscribed: readonly string[];
  /** Maximum number of unacknowledged messages of one connection so far; acknowledgements are delayed if it is limited. */
  readonly maxUnacknowledged: number;
  on(topic: string): readonly Taken[];
  /** Sends a message to all subscribers. */
  send(topic: string, payload: string): void;
}

export async function startLimitedBroker(limits: Limits = {}): Promise<LimitedBroker> {
  const connects: IConnectPacket[] = [];
  const taken: Taken[] = [];
  const subscribed: string[] = [];
  const clients = new Set<Client>();
  const state = { limits, maxUnacknowledged: 0 };

  class Client {
    readonly filters = new Set<string>();
    readonly #socket: Socket;
    #version = 4;
    #unacknowledged = 0;

    constructor(socket: Socket) {
      this.#socket = socket;
      const parser = mqttPacket.parser({ protocolVersion: 5 });
      parser.on('packet', (packet: Packet) => !socket.destroyed && this.#take(packet));
      parser.on('error', () => socket.destroy());
      socket.on('data', (chunk) => parser.parse(chunk));
      socket.on('error', () => undefined);
      socket.on('close', () => clients.delete(this));
    }

    write(packet: Packet): void {
      this.#socket.write(mqttPacket.generate(packet, { protocolVersion: this.#version }));
    }

    refuse(how: Refusing, answer: (reasonCode: number) => Packet): void {
      if (how === 'hang-up') this.#socket.end();
      else if ('answer' in how) this.write(answer(how.answer));
      else {
        if (this.#version === 5) this.write({ cmd: 'disconnect', reasonCode: how.disconnect });
        this.#socket.end();
      }
    }

    #take(packet: Packet): void {
      if (packet.cmd === 'connect') this.#connect(packet);
      else if (packet.cmd === 'publish') this.#publish(packet);
      else if (packet.cmd === 'subscribe') this.#subscribe(packet);
      else if (packet.cmd === 'pingreq') this.write({ cmd: 'pingresp' });
      else if (packet.cmd === 'disconnect') this.#socket.end();
    }

    #connect(packet: IConnectPacket): void {
      const { noRetain, maximumQos, receiveMaximum, maximumPacketSize, noWildcards, announces, only311 } =
        state.limits;
      this.#version = packet.protocolVersion ?? 4;
      if (only311 && this.#version === 5) return void this.#socket.destroy();
      const refused =
        noRetain && packet.will?.retain ? 0x9a : maximumQos === 0 && packet.will?.qos ? 0x9b : 0;
      const isAnnounced = announces !== false;
      if (refused && this.#version === 4) return void this.#socket.destroy();
      const properties = {
        ...(isAnnounced && noRetain && { retainAvailable: false }),
        ...(isAnnounced && maximumQos !== undefined && { maximumQoS: maximumQos }),
        ...(isAnnounced && receiveMaximum !== undefined && { receiveMaximum }),
        ...(isAnnounced && noWildcards && { wildcardSubscriptionAvailable: false }),
        ...(maximumPacketSize?.announced && { maximumPacketSize: maximumPacketSize.bytes }),
      };
      const answer = this.#version === 5 ? { reasonCode: refused, properties } : { returnCode: 0 };
      this.write({ cmd: 'connack', sessionPresent: false, ...answer });
      if (refused) return void this.#socket.end();
      connects.push(packet);
      clients.add(this);
    }

    #publish(packet: IPublishPacket): void {
      const { maximumPacketSize, noRetain, maximumQos, receiveMaximum, publish } = state.limits;
      const { topic, qos, retain, messageId } = packet;
      const bytes = mqttPacket.generate(packet, { protocolVersion: this.#version }).length;
      const tooMany = receiveMaximum !== undefined && qos > 0 && ++this.#unacknowledged > receiveMaximum;
      state.maxUnacknowledged = Math.max(state.maxUnacknowledged, this.#unacknowledged);
      const refusing: Refusing | undefined =
        (maximumPacketSize && bytes > maximumPacketSize.bytes && { disconnect: 0x95 }) ||
        (noRetain && retain && { disconnect: 0x9a }) ||
        (maximumQos !== undefined && qos > maximumQos && { disconnect: 0x9b }) ||
        (tooMany && { disconnect: 0x93 }) ||
        publish?.(packet);
      const acknowledge = (reasonCode = 0): Packet => ({
        cmd: qos === 2 ? 'pubrec' : 'puback',
        messageId: messageId!,
        reasonCode,
      });
      if (refusing) {
        this.refuse(refusing, acknowledge);
        return;
      }
      if (qos === 2) {
        // Kept until its release, which never happens here.
        this.write({ cmd: 'pubrec', messageId: messageId!, reasonCode: 0 });
        return;
      }
      const text = packet.payload.toString();
      taken.push({ topic, qos, retain, bytes, json: text === '' ? undefined : JSON.parse(text) });
      for (const client of clients) client.forward(topic, packet.payload);
      if (qos === 0) return;
      if (receiveMaximum === undefined) {
        this.write(acknowledge());
        return;
      }
      setTimeout(() => {
        this.#unacknowledged--;
        this.write(acknowledge());
      }, 5);
    }

    forward(topic: string, payload: string | Buffer): void {
      const matches = (filter: string) =>
        new RegExp(`^${filter.replaceAll('+', '[^/]+').replace('#', '.*')}$`).test(topic);
      if (![...this.filters].some(matches)) return;
      this.write({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
    }

    #subscribe({ subscriptions, messageId }: ISubscribePacket): void {
      const refusals = subscriptions.map(({ topic }) =>
        state.limits.noWildcards && topic.includes('+') ? { answer: 0xa2 } : state.limits.subscribe?.(topic),
      );
      const ending = refusals.find((how) => how === 'hang-up' || (how && 'disconnect' in how));
      if (ending) {
        this.refuse(ending, () => ({ cmd: 'pingresp' }));
        return;
      }
      const granted = refusals.map((how) => {
        if (!how || how === 'hang-up' || !('answer' in how)) return 0;
        return this.#version === 5 ? how.answer : 0x80;
      });
      for (const [i, { topic }] of subscriptions.entries()) {
        if (granted[i]! >= 0x80) continue;
        this.filters.add(topic);
        subscribed.push(topic);
      }
      this.write({ cmd: 'suback', messageId: messageId!, granted });
    }
  }

  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    new Client(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(state, {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connects,
    taken,
    subscribed,
    on: (topic: string) => taken.filter((message) => message.topic === topic),
    send(topic: string, payload: string) {
      for (const client of clients) client.forward(topic, payload);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}
