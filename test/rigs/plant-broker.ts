/** A broker of either kind that can end and restart on the same port. */
import { openBroker } from '../../agent/demo/broker.ts';
import { startMosquitto } from './mosquitto.ts';

export interface PlantBroker extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Ends immediately with its connections and retained messages: mosquitto by SIGKILL. */
  die(): Promise<void>;
  /** Restarts it. */
  comeBack(): Promise<void>;
}

export type BrokerKind = 'aedes' | 'mosquitto';

export async function startBroker(
  kind: BrokerKind,
  users?: Readonly<Record<string, string>>,
): Promise<PlantBroker> {
  const login = users && { users };
  if (kind === 'aedes') {
    const aedes = await openBroker({ ...login });
    const { url, port, stop: die, start: comeBack } = aedes;
    return { url, port, die, comeBack, [Symbol.asyncDispose]: die };
  }
  let broker = await startMosquitto({ ...login });
  const { url, port } = broker;
  return {
    url,
    port,
    die: () => broker.kill(),
    async comeBack() {
      broker = await startMosquitto({ ...login, port });
    },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}
