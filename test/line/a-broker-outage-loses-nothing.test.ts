import { describe, expect, it } from 'vitest';
import type { Result, VerdictMessage } from '../../agent/publish/messages.ts';
import { mosquittoMissing } from '../rigs/mosquitto.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import type { BrokerKind } from '../rigs/plant-broker.ts';
import { until } from '../rigs/until.ts';

const kinds: readonly { kind: BrokerKind; missing: string | undefined }[] = [
  { kind: 'aedes', missing: undefined },
  { kind: 'mosquitto', missing: mosquittoMissing },
];

describe.each(kinds)('an outage of the broker: $kind', ({ kind, missing }) => {
  it('the results in between are delivered in order, and the last will when the agent is killed', async (context) => {
    if (missing) return context.skip(missing);
    await using plant = await openPlant({ broker: kind, trigger: { kind: 'continuous', everyMs: 250 } });
    await plant.ready();
    await plant.nextResults(3);

    await plant.broker.die();
    await until(async () => (await plant.metrics()).value('qc_mqtt_connected') === 0, {
      everyMs: 50,
      what: 'the loss to be noticed',
    });
    const delivered = plant.results.at(-1)!.sequence;
    const judgedBefore = await judged(plant);
    await until(async () => (await judged(plant)) >= judgedBefore + 6, {
      everyMs: 100,
      what: 'inspection to continue without a broker',
    });
    expect((await plant.metrics()).value('qc_outbox_messages')).toBeGreaterThanOrEqual(12);
    expect((await fetch(`${plant.url}/readyz`)).status).toBe(503);
    const waiting = await judged(plant);

    const statuses = plant.statuses.length;
    await plant.brokerComesBack();
    const status = await plant.says(
      (now) => plant.statuses.length > statuses && now.online && now.state === 'inspecting',
      'online again',
    );
    expect(status).toMatchObject({ cameras: { top: 'up' }, reasons: [] });
    const isNew = ({ sequence, historical }: Result) => sequence > waiting && !historical;
    await until(() => plant.results.some(isNew), { what: 'the waiting results, and then new ones' });

    const results = firstOfEach(plant.results);
    expect(results.map(({ sequence }) => sequence)).toEqual(results.map((_, index) => index + 1));
    const meanwhile = results.filter(({ sequence }) => sequence > delivered + 1 && sequence <= waiting);
    expect(meanwhile.length).toBeGreaterThanOrEqual(5);
    expect(meanwhile.filter(({ historical }) => !historical)).toEqual([]);
    // Live verdicts are sent before waiting ones; each kind keeps its order, and none is missing.
    const verdicts = firstOfEach(plant.verdicts);
    for (const kind of [true, undefined]) {
      const sequences = verdicts
        .filter(({ historical }) => historical === kind)
        .map(({ sequence }) => sequence);
      expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    }
    for (const { sequence } of meanwhile) {
      expect(verdicts.find((verdict) => verdict.sequence === sequence)?.historical).toBe(true);
    }
    expect((await plant.metrics()).value('qc_outbox_dropped_total')).toBe(0);

    plant.agent.kill('SIGKILL');
    await plant.says((now) => !now.online && now.reason === 'connection lost', 'the last will');
  });
});

/** A message in transit when the broker ended may arrive twice (QoS 1): the first counts. */
function firstOfEach<T extends Result | VerdictMessage>(messages: readonly T[]): T[] {
  const seen = new Set<number>();
  return messages.filter(({ sequence }) => !seen.has(sequence) && seen.add(sequence));
}

async function judged(plant: Plant): Promise<number> {
  return (await plant.metrics()).value('qc_parts_inspected_total') ?? 0;
}
