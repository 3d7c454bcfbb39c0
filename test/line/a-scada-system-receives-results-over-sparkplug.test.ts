import { expect, it } from 'vitest';
import { mosquittoMissing } from '../rigs/mosquitto.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import {
  type Decoded,
  openSparkplugHost,
  type SparkplugHost,
  type SparkplugMessage,
} from '../rigs/sparkplug-host.ts';
import { until } from '../rigs/until.ts';

const worth = (message: Decoded, name: string) => message.metrics.find((one) => one.name === name)?.value;
const sequenceOf = (message: Decoded) => Number(worth(message, 'Result/Sequence'));
const isHistorical = (message: SparkplugMessage) => message.metrics.every((one) => one.isHistorical);

it('receives every result in order while camera, host, broker and agent fail', async (context) => {
  if (mosquittoMissing) return context.skip(mosquittoMissing);
  await using plant = await openPlant({
    broker: 'mosquitto',
    trigger: { kind: 'continuous', everyMs: 250 },
    mqtt: { keepaliveSeconds: 2, sparkplug: { groupId: 'plant', primaryHost: 'scada' } },
  });
  await using host = await openSparkplugHost(plant.broker.url);
  await plant.ready();
  await plant.says((now) => now.online && now.reasons.join().includes('scada'), 'that it waits for the host');
  expect(await connected(plant)).toBe(0);
  expect(host.heard).toEqual([]);

  await host.state(true);
  await host.hears('DBIRTH');
  const live = await hearsLive(host);
  expect(worth(live, 'Model/Version')).toBe(plant.results[0]!.model.version);
  await plant.says((now) => now.online && now.state === 'inspecting', 'that all is well');
  expect(await connected(plant)).toBe(1);

  await plant.line.stop();
  expect((await host.hears('DDEATH')).device).toBe('top');
  await plant.line.start();
  await host.hears('DBIRTH', 2);
  await hearsLive(host);

  await host.state(false);
  await host.hears('NDEATH');
  const atDeath = plant.results.length;
  await until(() => plant.results.length >= atDeath + 5, {
    timeoutMs: 20_000,
    what: 'results without the host',
  });
  const before = host.ofType('DDATA').length;
  await host.state(true);
  await host.hears('DBIRTH', 3);
  await hearsLive(host, before);
  expect(isHistorical(host.ofType('DDATA')[before]!)).toBe(true);

  await plant.broker.die();
  await until(async () => (await connected(plant)) === 0, { everyMs: 50, what: 'the loss to be noticed' });
  await plant.brokerComesBack();
  // The retained STATE is lost with the broker: nothing is sent before the host is online.
  await until(() => host.connected);
  await host.state(true);
  await host.hears('DBIRTH', 4);
  await hearsLive(host, host.ofType('DDATA').length);

  const deaths = host.ofType('NDEATH').length;
  await plant.restart('SIGKILL');
  const killed = await host.hears('NDEATH', deaths + 1);
  expect(worth(killed, 'bdSeq')).toBe(worth(host.ofType('NBIRTH')[2]!, 'bdSeq'));
  await host.hears('NBIRTH', 4);
  await hearsLive(host, host.ofType('DDATA').length);

  expect(await plant.stop()).toBe(0);
  await host.hears('NDEATH', deaths + 2);
  const last = host.heard.at(-1)!;
  expect([last.type, worth(last, 'bdSeq')]).toEqual(['NDEATH', worth(host.ofType('NBIRTH')[3]!, 'bdSeq')]);

  // Messages in transit at a lost connection may arrive twice; none is missing or out of order.
  const sequences = host.ofType('DDATA').map(sequenceOf);
  const once = sequences.filter((sequence, index) => sequences.indexOf(sequence) === index);
  expect(once).toEqual(Array.from({ length: once.length }, (_, index) => index + 1));
  const heard = new Map(host.ofType('DDATA').map((one) => [worth(one, 'Result/Id'), one]));
  for (const { resultId, verdict, label } of plant.results) {
    const { metrics } = heard.get(resultId) ?? { metrics: [] };
    const said = { metrics, timestamp: undefined, seq: undefined };
    expect([worth(said, 'Result/Verdict'), worth(said, 'Result/Label') ?? null]).toEqual([verdict, label]);
  }
});

/** Waits for a live result, after this number of messages. */
function hearsLive(host: SparkplugHost, after = 0): Promise<SparkplugMessage> {
  return until(
    () =>
      host
        .ofType('DDATA')
        .slice(after)
        .find((message) => !isHistorical(message)),
    { timeoutMs: 30_000, what: 'a live result' },
  );
}

async function connected(plant: Plant): Promise<number | undefined> {
  return (await plant.metrics()).value('qc_sparkplug_connected', { group: 'plant', node: 'press-1' });
}
