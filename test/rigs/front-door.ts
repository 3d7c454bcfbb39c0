import type { AgentProcess } from './plant-agent.ts';
import { until } from './until.ts';

/** The address of the guide that `qc-agent setup` prints. */
export async function frontDoor(agent: Pick<AgentProcess, 'stderr'>): Promise<string> {
  const printed = () => /Open the guide in a browser: (http\S+)/.exec(agent.stderr)?.[1];
  return until(printed, { timeoutMs: 20_000, what: 'the address of the guide' }) as Promise<string>;
}
