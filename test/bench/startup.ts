import { spawn } from 'node:child_process';
import type { Arrived } from '../../agent/bench/results.ts';
import { firstVerdict, milestones, type RunningAgent } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { type Benchmark, median } from './harness.ts';

const rounds = 5;
const clip = { width: 640, height: 480, fps: 25 };

/** Time from the start of `qc-agent run` to the first verdict at a subscriber, with files in the disk cache. */
export const startup: Benchmark = {
  name: 'startup',
  missing: clipCameraMissing,
  async run(workshop) {
    await using camera = await workshop.camera({ ...clip, seconds: 180 });
    const trigger = { kind: 'continuous', everyMs: 200 };
    using _audience = watchStream(camera.url);
    const starts: { agent: Pick<RunningAgent, 'startedAt' | 'log'>; first: Arrived }[] = [];
    for (let round = 0; round <= rounds; round++) {
      await using agent = await workshop.agent({ cameras: { line: { url: camera.url, trigger } } });
      const first = await firstVerdict(agent);
      // The first round fills the disk cache.
      if (round > 0) starts.push({ agent, first });
    }
    const after = (message: string) =>
      median(
        starts.map(({ agent }) => {
          const line = agent.log.find(({ msg }) => msg === message);
          return (Date.parse(line?.time ?? '') - agent.startedAt) / 1000;
        }),
      );
    const verdicts = starts.map(({ agent, first }) => (first.at - agent.startedAt) / 1000);
    return [
      {
        what: `first verdict, median of ${rounds}`,
        figure: median(verdicts),
        unit: 's',
        target: { atMost: 3 },
      },
      { what: `first verdict, worst of ${rounds}`, figure: Math.max(...verdicts), unit: 's' },
      { what: 'HTTP listens', figure: after(milestones.http), unit: 's' },
      { what: 'broker connected', figure: after(milestones.broker), unit: 's' },
      { what: 'camera up (key frames are 1 s apart)', figure: after(milestones.camera), unit: 's' },
      { what: 'model ready', figure: after(milestones.model), unit: 's' },
    ];
  },
};

/** Keeps the stream running, so that the agent joins it at a random point between two key frames. */
function watchStream(url: string): Disposable {
  const args = [
    '-nostdin',
    '-v',
    'quiet',
    '-rtsp_transport',
    'tcp',
    '-i',
    url,
    '-c',
    'copy',
    '-f',
    'null',
    '-',
  ];
  const child = spawn('ffmpeg', args, { stdio: 'ignore' });
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
}
