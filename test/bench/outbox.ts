import { mkdtemp, open as openFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { pino } from 'pino';
import { percentile } from '../../agent/bench/figures.ts';
import type { Result, VerdictMessage } from '../../agent/publish/messages.ts';
import { openOutbox } from '../../agent/publish/outbox/open.ts';
import type { OutboxStore } from '../../agent/publish/outbox/outbox.ts';
import { lettersOf, openMqttOutbox } from '../../agent/publish/part-messages.ts';
import { openMemoryOutbox } from '../rigs/memory-outbox.ts';
import { base, openPublisherRig, result } from '../rigs/publisher.ts';
import { until } from '../rigs/until.ts';
import { type Benchmark, median, type Row } from './harness.ts';

const log = pino({ level: 'silent' });
const never = new AbortController().signal;
const backlog = 10_000;
const perSecond = 20;

/** A result of the size of one with seven labels. */
const example = (sequence: number): Result =>
  result(sequence, {
    probabilities: Object.fromEntries(
      ['good', 'scratch', 'dent', 'stain', 'chip', 'burr', 'pinhole'].map((label, n) => [label, n / 28]),
    ),
    evidence: '/api/v1/evidence/01JD00000000000000000000.jpg',
  });

/**
 * The outbox alone on the disk of the temporary folder, then with a real broker: durable results per second, the time added
 * to a part, the disk space of 10,000 results of an outage and the rate at which they are sent afterwards.
 */
export const outbox: Benchmark = {
  name: 'outbox',
  async run(workshop) {
    const folder = await mkdtemp(join(workshop.storage, '..', 'outbox-'));
    const open = (name: string) =>
      openOutbox(
        { directory: join(folder, name), messages: 1_000_000, bytes: 2e9, ageMs: 3_600_000 },
        { log, onFault: () => undefined },
      );
    try {
      return [
        ...(await durable(await open('rate'), workshop.seconds)),
        ...(await added(await open('added'), join(folder, 'bare'), workshop.seconds)),
        ...(await outage(await open('outage'), join(folder, 'outage'), workshop.broker)),
      ];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function durable(opened: OutboxStore, seconds: number): Promise<Row[]> {
  await using store = opened;
  const queues = openMqttOutbox(store);
  const rate = async (atOnce: number) => {
    let sequence = 0;
    const startedAt = performance.now();
    const putter = async () => {
      while (performance.now() - startedAt < seconds * 500) {
        const one = example(++sequence);
        await store.put(lettersOf(one, queues), one);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, putter));
    return (sequence * 1000) / (performance.now() - startedAt);
  };
  const alone = await rate(1);
  return [
    {
      what: 'durable results a second, 64 at a time',
      figure: await rate(64),
      unit: '1/s',
      target: { atLeast: 2_000 },
    },
    { what: 'durable results a second, one after the other', figure: alone, unit: '1/s' },
  ];
}

/**
 * Time from `put` of a result until it can be sent, at 20 parts/s; compared with an outbox in memory (alternating) and with
 * the time in which this disk writes and syncs one page at that rate.
 */
async function added(opened: OutboxStore, bareFile: string, seconds: number): Promise<Row[]> {
  await using disk = opened;
  const bare = await openFile(bareFile, 'w');
  const page = Buffer.alloc(4_096, 1);
  const syncs: number[] = [];
  await using memory = openMemoryOutbox(1_000);
  const waits = { disk: [] as number[], memory: [] as number[] };
  const kinds = [
    { store: disk, queues: openMqttOutbox(disk), waited: waits.disk },
    { store: memory, queues: openMqttOutbox(memory), waited: waits.memory },
  ];
  const parts = perSecond * Math.max(10, seconds);
  for (let sequence = 1; sequence <= parts; sequence++) {
    for (const { store, queues, waited } of kinds) {
      const one = example(sequence);
      const next = queues.verdicts.next(sequence - 1, never);
      const putAt = performance.now();
      await store.put(lettersOf(one, queues), one);
      const entry = await next;
      waited.push(performance.now() - putAt);
      queues.verdicts.ack(entry.id);
      queues.results.ack((await queues.results.next(sequence - 1, never)).id);
    }
    await sleep(500 / perSecond);
    const startedAt = performance.now();
    await bare.write(page, 0, page.length, sequence * page.length);
    await bare.datasync();
    syncs.push(performance.now() - startedAt);
    await sleep(500 / perSecond);
  }
  await bare.close();
  const p99 = (values: readonly number[]) => percentile(values, 0.99);
  return [
    { what: 'this disk at that rate: 4 kB written and synced, median', figure: median(syncs), unit: 'ms' },
    {
      what: `added to a part by the disk at ${perSecond} parts/s, median of ${parts}`,
      figure: median(waits.disk) - median(waits.memory),
      unit: 'ms',
      target: { atMost: 1 },
    },
    { what: 'the same, p99', figure: p99(waits.disk) - p99(waits.memory), unit: 'ms' },
  ];
}

/** 10,000 results are put one by one without a broker; then the broker starts and more results follow. */
async function outage(opened: OutboxStore, directory: string, url: string): Promise<Row[]> {
  await using store = opened;
  const queues = openMqttOutbox(store);
  let sequence = 0;
  const put = async () => {
    const one = example(++sequence);
    await store.put(lettersOf(one, queues), one);
  };
  for (let n = 0; n < backlog; n++) await put();
  const { blocks } = await stat(join(directory, 'outbox', 'data.mdb'));

  const subscriber = await connectAsync(url, { reconnectPeriod: 0 });
  const putAt = new Map<number, number>();
  const delays: number[] = [];
  let results = 0;
  subscriber.on('message', (at, payload) => {
    if (at.endsWith('/result')) results++;
    else {
      const { sequence: number, historical } = JSON.parse(payload.toString()) as VerdictMessage;
      const since = putAt.get(number);
      if (since !== undefined && !historical) delays.push(performance.now() - since);
    }
  });
  await subscriber.subscribeAsync(`${base}/#`, { qos: 1 });

  const live = async () => {
    putAt.set(sequence + 1, performance.now());
    await put();
    await sleep(1000 / perSecond);
  };
  const { publisher } = await openPublisherRig({ url }, store);
  try {
    await until(() => publisher.connected, { what: 'the broker' });
    const startedAt = performance.now();
    let drainedAt = 0;
    while (drainedAt === 0) {
      await live();
      if (results >= backlog) drainedAt = performance.now();
    }
    const during = delays.splice(0);
    for (let n = 0; n < 100; n++) await live();
    const seconds = (drainedAt - startedAt) / 1000;
    const p99 = (values: readonly number[]) => percentile(values, 0.99);
    return [
      {
        what: `disk for ${backlog} results`,
        figure: (blocks * 512) / 1e6,
        unit: 'MB',
        target: { atMost: 50 },
      },
      {
        what: 'results a second to the subscriber afterwards, each with its verdict',
        figure: backlog / seconds,
        unit: '1/s',
        target: { atLeast: 1_000 },
      },
      {
        what: `live verdict in that time, put to subscriber, p50 of ${during.length}`,
        figure: median(during),
        unit: 'ms',
      },
      { what: 'the same, p99', figure: p99(during), unit: 'ms' },
      { what: `live verdict without a backlog, p50 of ${delays.length}`, figure: median(delays), unit: 'ms' },
      { what: 'the same, p99', figure: p99(delays), unit: 'ms' },
    ];
  } finally {
    await publisher[Symbol.asyncDispose]();
    await subscriber.endAsync(true);
  }
}
