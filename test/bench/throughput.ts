import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstVerdict } from './agent-process.ts';
import { type Benchmark, interleaved, median, type Row } from './harness.ts';
import { observe } from './observe.ts';
import type { Workshop } from './workshop.ts';

const rounds = 3;
const size = { width: 640, height: 480 };

/** Parts a second from an RTSP camera to an MQTT subscriber, beside onnxruntime alone on the same model and threads. */
export const throughput: Benchmark = {
  name: 'throughput',
  async run(workshop) {
    const threads = availableParallelism();
    return [...(await compare(workshop, threads)), ...(threads > 1 ? await compare(workshop, 1) : [])];
  },
};

async function compare(workshop: Workshop, threads: number): Promise<Row[]> {
  const { seconds } = workshop;
  const { perSecond: bareAlone } = await workshop.bare({ threads, options: 'agent', seconds: 2 });
  // The camera must never be what limits: a quarter more frames than the model could take.
  const fps = Math.max(30, Math.ceil((1.25 * bareAlone) / 5) * 5);
  await using camera = await workshop.camera({ ...size, fps, seconds: seconds + 60 });
  const url = camera.url;
  const results = await interleaved(rounds, {
    bare: () => workshop.bare({ threads, options: 'agent', seconds }),
    async agent() {
      const trigger = { kind: 'continuous', everyMs: 1 };
      await using agent = await workshop.agent({ camera: { url, trigger, maxFps: fps }, threads });
      await firstVerdict(agent);
      await sleep(1_000);
      return await observe(agent, seconds);
    },
    defaults: () => workshop.bare({ threads, options: 'defaults', seconds }),
  });
  const of = (figure: (result: (typeof results)[number]) => number) => median(results.map(figure));
  const on = `${threads} thread${threads > 1 ? 's' : ''}`;
  const share = of(({ agent }) => agent.perSecond) / fps;
  return [
    {
      what: `agent / bare loop with its session options, ${on}`,
      figure: of(({ agent, bare }) => agent.perSecond / bare.perSecond),
      unit: '×',
      target: { atLeast: 0.9 },
    },
    {
      what: `agent / bare loop with onnxruntime's defaults, ${on}`,
      figure: of(({ agent, defaults }) => agent.perSecond / defaults.perSecond),
      unit: '×',
      target: { atLeast: 0.9 },
    },
    { what: `agent, ${on}`, figure: of(({ agent }) => agent.perSecond), unit: 'parts/s' },
    {
      what: `bare loop, session options of the agent, ${on}`,
      figure: of(({ bare }) => bare.perSecond),
      unit: 'runs/s',
    },
    {
      what: `bare loop, onnxruntime's defaults, ${on}`,
      figure: of(({ defaults }) => defaults.perSecond),
      unit: 'runs/s',
    },
    {
      what: `share of the camera's ${fps} frames/s (it must not be the limit)`,
      figure: share * 100,
      unit: '%',
      target: { below: 90 },
    },
    {
      what: `CPU time of one part in all the agent's processes, ${on}`,
      figure: of(({ agent }) => agent.cpuMs),
      unit: 'ms',
    },
    { what: `CPU time of one bare inference, ${on}`, figure: of(({ bare }) => bare.cpuMs), unit: 'ms' },
    ...(['inference', 'loop', 'cameras', 'outside'] as const).map((key) => ({
      what: `CPU of ${names[key]}, ${on}`,
      figure: of(({ agent }) => agent.cores[key]) * 100,
      unit: '% core',
    })),
  ];
}

const names = {
  inference: 'preparation, inference and runtime helpers',
  loop: "the agent's event loop",
  cameras: "the camera's process",
  outside: 'the world outside: camera server, broker, subscriber',
} as const;
