/** CPU time of the measured agent by purpose: the difference between two readings of /proc. */
import { cpuSeconds, mainThreadCpuSeconds, processTree } from './proc.ts';

/** In cores. */
export interface Cores {
  /** The rest of the main process: preparation, inference and the runtime's helpers. */
  readonly inference: number;
  /** The event loop: taking frames, parts, publishing, storing. */
  readonly loop: number;
  /** The decoder processes of the cameras. */
  readonly decoders: number;
  /** Cameras, broker and subscriber, which run elsewhere on a real line. */
  readonly outside: number;
}

/** CPU time used so far, s. */
export interface Usage {
  readonly main: number;
  readonly loop: number;
  readonly decoders: number;
  readonly outside: number;
}

/** @param outside the processes outside of the agent. All values are 0 if there is no /proc */
export function usage(agent: number, outside: readonly number[]): Usage {
  const tree = processTree(agent);
  return {
    main: cpuSeconds([agent]),
    loop: mainThreadCpuSeconds(agent),
    decoders: cpuSeconds(tree.filter((pid) => pid !== agent)),
    outside: cpuSeconds(outside),
  };
}

export function coresOf(before: Usage, after: Usage, seconds: number): Cores {
  const used = (key: keyof Usage) => (after[key] - before[key]) / seconds;
  return {
    inference: used('main') - used('loop'),
    loop: used('loop'),
    decoders: used('decoders'),
    outside: used('outside'),
  };
}
