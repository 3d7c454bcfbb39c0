import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstVerdict, type Precision } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { type Benchmark, interleaved, median, type Row } from './harness.ts';
import { observe } from './observe.ts';
import type { Workshop } from './workshop.ts';

const rounds = 3;
const size = { width: 640, height: 480 };

/**
 * Parts per second from an RTSP camera to an MQTT subscriber, compared with onnxruntime alone on the same model and
 * threads.
 */
export const throughput: Benchmark = {
  name: 'throughput',
  missing: clipCameraMissing,
  async run(workshop) {
    const rows: Row[] = [];
    for (const precision of workshop.precisions) {
      for (const threads of new Set([availableParallelism(), 1])) {
        rows.push(...(await compare(workshop, threads, precision)));
      }
    }
    return rows;
  },
};

async function compare(workshop: Workshop, threads: number, precision: Precision): Promise<Row[]> {
  const { seconds } = workshop;
  const bare = { threads, precision, options: 'agent' } as const;
  const { perSecond: bareAlone } = await workshop.bare({ ...bare, seconds: 2 });
  // The camera must not be the limit: it sends 10 % more frames than the model can process.
  const fps = Math.max(20, Math.ceil((1.1 * bareAlone) / 5) * 5);
  await using camera = await workshop.camera({ ...size, fps, seconds: seconds + 60 });
  const url = camera.url;
  const results = await interleaved(rounds, {
    bare: () => workshop.bare({ ...bare, seconds }),
    async agent() {
      const trigger = { kind: 'continuous', everyMs: 1 };
      const cameras = { line: { url, trigger, maxFps: fps } };
      await using agent = await workshop.agent({ cameras, threads, precision });
      await firstVerdict(agent);
      await sleep(1_000);
      return await observe(agent, seconds);
    },
    defaults: () => workshop.bare({ ...bare, options: 'defaults', seconds }),
  });
  const of = (figure: (result: (typeof results)[number]) => number) => median(results.map(figure));
  const on = `${precision}, ${threads} thread${threads > 1 ? 's' : ''}`;
  const share = of(({ agent }) => agent.perSecond) / fps;
  return [
    {
      what: `agent / bare loop with its session options, ${on}`,
      figure: of(({ agent, bare }) => agent.perSecond / bare.perSecond),
      unit: '×',
      target: { atLeast: 0.95 },
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
    ...(['inference', 'loop', 'decoders', 'outside'] as const).map((key) => ({
      what: `CPU of ${names[key]}, ${on}`,
      figure: of(({ agent }) => agent.cores[key]) * 100,
      unit: '% core',
    })),
  ];
}

const names = {
  inference: 'preparation, inference and runtime helpers',
  loop: "the agent's event loop",
  decoders: "the camera's process",
  outside: 'other processes: camera server, broker, subscriber',
} as const;
