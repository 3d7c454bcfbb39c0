/** Watches a running agent for a while: what came out of it, and what it took. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, mainThreadCpuSeconds, processTree } from '../rigs/proc.ts';
import type { Arrived, RunningAgent } from './agent-process.ts';

export interface Observed {
  /** Results that came meanwhile. */
  readonly arrived: readonly Arrived[];
  /** Completed parts a second, between the first and the last of them. */
  readonly perSecond: number;
  /** CPU time that all of the agent's processes took for a part, ms. */
  readonly cpuMs: number;
  /** CPU time used, in cores. */
  readonly cores: {
    /** The agent's event loop: hand-over, parts, publishing. */
    readonly loop: number;
    /** The rest of its main process: preparation, inference, runtime helpers. */
    readonly inference: number;
    /** The cameras' processes. */
    readonly cameras: number;
    /** The pretended world: camera server, broker, this subscriber. */
    readonly outside: number;
  };
}

export async function observe(agent: RunningAgent, seconds: number): Promise<Observed> {
  const from = agent.arrived.length;
  const before = usage(agent);
  const startedAt = performance.now();
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - startedAt) / 1000;
  if (agent.process.exitCode !== null || agent.process.signalCode !== null) {
    throw new Error('the agent ended while it was measured');
  }
  const after = usage(agent);
  const arrived = agent.arrived.slice(from);
  const completed = arrived.filter(({ result }) => result.state === 'completed');
  const spanMs = (completed.at(-1)?.at ?? 0) - (completed[0]?.at ?? 0);
  const perSecond = completed.length > 1 ? ((completed.length - 1) * 1000) / spanMs : 0;
  const cores = (key: keyof Usage) => (after[key] - before[key]) / elapsed;
  const used = after.main + after.cameras - before.main - before.cameras;
  return {
    arrived,
    perSecond,
    cpuMs: (used * 1000) / arrived.length,
    cores: {
      loop: cores('loop'),
      inference: cores('main') - cores('loop'),
      cameras: cores('cameras'),
      outside: cores('outside'),
    },
  };
}

interface Usage {
  readonly loop: number;
  readonly main: number;
  readonly cameras: number;
  readonly outside: number;
}

function usage(agent: RunningAgent): Usage {
  const tree = agent.tree();
  const outside = processTree(process.pid).filter((pid) => !tree.includes(pid));
  return {
    loop: mainThreadCpuSeconds(agent.pid),
    main: cpuSeconds([agent.pid]),
    cameras: cpuSeconds(tree.filter((pid) => pid !== agent.pid)),
    outside: cpuSeconds(outside),
  };
}
