/** A broker that can die and come back on the same port, whichever it is. */
import { startAedes } from './aedes.ts';
import { startMosquitto } from './mosquitto.ts';

export interface PlantBroker extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Dies at once, connections and retained messages with it: mosquitto by SIGKILL. */
  die(): Promise<void>;
  /** Listens again. */
  comeBack(): Promise<void>;
}

export type BrokerKind = 'aedes' | 'mosquitto';

export async function startBroker(
  kind: BrokerKind,
  users?: Readonly<Record<string, string>>,
): Promise<PlantBroker> {
  const start = kind === 'mosquitto' ? startMosquitto : startAedes;
  const login = users && { users };
  let broker = await start({ ...login });
  const { url, port } = broker;
  return {
    url,
    port,
    die: () => broker.kill(),
    async comeBack() {
      broker = await start({ ...login, port });
    },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}
