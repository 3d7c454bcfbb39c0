import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstVerdict } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { type Benchmark, median, type Row } from './harness.ts';
import type { Gaps } from './loop-monitor.ts';
import type { Workshop } from './workshop.ts';

const rounds = 3;
const clip = { width: 1920, height: 1080, fps: 30 };
const nodeOptions = ['--import', new URL('./loop-monitor.js', import.meta.url).href];

/** The longest time for which the agent's event loop blocks MQTT, HTTP and the watchdog while it inspects. */
export const loop: Benchmark = {
  name: 'loop',
  missing: clipCameraMissing,
  async run(workshop) {
    return [
      ...(await measured(workshop, 200, 'at 5 parts/s', { below: 20 })),
      ...(await measured(workshop, 1, 'at full speed, all cores busy', { below: 20 })),
    ];
  },
};

async function measured(
  workshop: Workshop,
  everyMs: number,
  pace: string,
  target: NonNullable<Row['target']>,
): Promise<Row[]> {
  await using camera = await workshop.camera({ ...clip, seconds: (workshop.seconds + 5) * rounds + 60 });
  const trigger = { kind: 'continuous', everyMs };
  await using agent = await workshop.agent({ cameras: { line: { url: camera.url, trigger } }, nodeOptions });
  await firstVerdict(agent);
  // Gaps in an idle process are caused by the machine, not by the agent.
  const idle = spawn(process.execPath, [...nodeOptions, '--eval', 'setInterval(() => {}, 1000)'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    await sleep(3_000);
    const seen: { agent: Gaps; idle: Gaps }[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const child of [agent.process, idle]) child.send('reset');
      for (let second = 0; second < workshop.seconds; second++) {
        await sleep(1_000);
        await (await fetch(`${agent.url}/metrics`)).text();
      }
      seen.push({ agent: await gaps(agent.process), idle: await gaps(idle) });
    }
    const of = (figure: (gaps: (typeof seen)[number]) => number) => median(seen.map(figure));
    const window = `in ${workshop.seconds} s`;
    return [
      {
        what: `longest gap ${window} ${pace}, median of ${rounds}`,
        figure: of((gap) => gap.agent.longest),
        unit: 'ms',
        target,
      },
      {
        what: `longest gap of all rounds ${pace}`,
        figure: Math.max(...seen.map((gap) => gap.agent.longest)),
        unit: 'ms',
      },
      { what: `99 % of gaps are shorter ${pace}`, figure: of((gap) => gap.agent.p99), unit: 'ms' },
      {
        what: `longest gap of an idle process at the same time ${pace}, median`,
        figure: of((gap) => gap.idle.longest),
        unit: 'ms',
      },
    ];
  } finally {
    const exited = once(idle, 'exit');
    idle.kill('SIGKILL');
    await exited;
  }
}

async function gaps(child: ChildProcess): Promise<Gaps> {
  const answer = once(child, 'message');
  child.send('gaps');
  return (await answer)[0] as Gaps;
}
