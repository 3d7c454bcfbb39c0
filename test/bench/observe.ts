/** Measures a running agent for some time: its results, CPU time and memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cores, coresOf, type Usage, usage } from '../../agent/bench/cores.ts';
import { processTree } from '../../agent/bench/proc.ts';
import type { Arrived } from '../../agent/bench/results.ts';
import type { RunningAgent } from './agent-process.ts';

export interface Observed {
  /** Results in that time. */
  readonly arrived: readonly Arrived[];
  /** Parts per second, from the first to the last result. */
  readonly perSecond: number;
  /** CPU time of all the agent's processes per part, ms. */
  readonly cpuMs: number;
  /** CPU time used. */
  readonly cores: Cores;
}

export async function observe(agent: RunningAgent, seconds: number): Promise<Observed> {
  const from = agent.arrived.length;
  const before = look(agent);
  const startedAt = performance.now();
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - startedAt) / 1000;
  if (agent.process.exitCode !== null || agent.process.signalCode !== null) {
    throw new Error('the agent ended while it was measured');
  }
  const after = look(agent);
  const arrived = agent.arrived.slice(from);
  const completed = arrived.filter(({ result }) => result.state === 'completed');
  const spanMs = (completed.at(-1)?.at ?? 0) - (completed[0]?.at ?? 0);
  const perSecond = completed.length > 1 ? ((completed.length - 1) * 1000) / spanMs : 0;
  const used = after.main + after.decoders - before.main - before.decoders;
  return {
    arrived,
    perSecond,
    cpuMs: (used * 1000) / arrived.length,
    cores: coresOf(before, after, elapsed),
  };
}

function look(agent: RunningAgent): Usage {
  const tree = agent.tree();
  return usage(
    agent.pid,
    processTree(process.pid).filter((pid) => !tree.includes(pid)),
  );
}
