import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { result } from '../../rigs/publisher.ts';
import { openStationRig, type StationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

interface Followed extends AsyncDisposable {
  // biome-ignore lint/suspicious/noExplicitAny: events of every kind
  readonly events: { readonly name: string; readonly data: any }[];
  readonly ended: boolean;
}

async function follow(rig: StationRig): Promise<Followed> {
  const stop = new AbortController();
  const response = await fetch(`${rig.http.url}/api/v1/events`, { signal: stop.signal });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  const followed = { events: [] as Followed['events'][number][], ended: false };
  const read = async () => {
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
        if (name && data) followed.events.push({ name, data: JSON.parse(data) });
      }
    }
  };
  const reading = read()
    .catch(() => undefined)
    .finally(() => {
      followed.ended = true;
    });
  return Object.assign(followed, {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  });
}

it('sends results and states of the station as they occur, and watches only while a client is connected', async () => {
  await using rig = await openStationRig();
  expect(rig.watching).toBe(false);
  {
    await using one = await follow(rig);
    await using two = await follow(rig);
    await until(() => one.events.length > 0 && two.events.length > 0);
    expect(one.events[0]).toMatchObject({ name: 'station', data: { status: { state: 'inspecting' } } });
    expect(rig.watching).toBe(true);
    const sent = result(1);
    rig.recent.add(sent);
    for (const client of [one, two]) {
      const heard = await until(() => client.events.find((event) => event.name === 'result'));
      expect(heard.data).toEqual(sent);
    }
    await until(() => one.events.filter((event) => event.name === 'station').length >= 2, { what: 'a beat' });
  }
  await until(() => !rig.watching, { what: 'watching to end' });
});

it('drops events for a client that does not read, and keeps serving the others', async () => {
  await using rig = await openStationRig();
  const { port } = new URL(rig.http.url);
  const lazy = connect(Number(port), '127.0.0.1');
  lazy.pause();
  lazy.write('GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => rig.watching);
  await using keen = await follow(rig);
  await until(() => keen.events.length > 0);
  const reasons = ['x'.repeat(10_000)];
  for (let i = 1; i <= 4_000; i++) {
    rig.recent.add(result(i, { reasons }));
    if (i % 20 === 0) await until(() => keen.events.some((event) => event.data.sequence === i));
  }
  // The buffers for the slow client (of the agent and of the kernel) hold a small part of the 40 MB.
  let kept = 0;
  let beats = 0;
  lazy.on('data', (chunk) => {
    kept += chunk.length;
    beats += chunk.includes('event: station') ? 1 : 0;
  });
  lazy.resume();
  await until(() => beats >= 2, { what: 'the lazy one to be served again' });
  expect(kept).toBeLessThan(20e6);
  lazy.destroy();
});

it('closes the connections when it closes', async () => {
  const rig = await openStationRig();
  const client = await follow(rig);
  await until(() => client.events.length > 0);
  await rig[Symbol.asyncDispose]();
  await until(() => client.ended);
});
