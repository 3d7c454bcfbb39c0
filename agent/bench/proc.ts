/** Reads figures of a process and its children from /proc, see proc(5). */
import { readdirSync, readFileSync } from 'node:fs';

/** The process and all its living descendants. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const child of numbers('/proc')) {
    const parent = statFields(`/proc/${child}/stat`)?.parent;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  const tree: number[] = [];
  const walk = (id: number): void => {
    tree.push(id);
    for (const child of children.get(id) ?? []) walk(child);
  };
  walk(pid);
  return tree;
}

/** Memory that would be freed if these processes ended together: proportional set size, MB. */
export function pssMb(pids: readonly number[]): number {
  return proportionalMb(pids).all;
}

/** Proportional set size, MB. */
export interface Proportional {
  readonly all: number;
  /** Private dirty memory of the processes: it does not depend on other processes that map the same programs and files. */
  readonly anonymous: number;
}

export function proportionalMb(pids: readonly number[]): Proportional {
  const sum = { all: 0, anonymous: 0 };
  for (const pid of pids) {
    const text = read(`/proc/${pid}/smaps_rollup`);
    const megabytes = (field: string) =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024;
    sum.all += megabytes('Pss');
    sum.anonymous += megabytes('Pss_Anon');
  }
  return sum;
}

/** CPU time used so far by these processes, user and system, s. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (statFields(`/proc/${pid}/stat`)?.cpu ?? 0), 0);
}

/** CPU time used so far by the first thread of a process, which runs the event loop in Node, s. */
export function mainThreadCpuSeconds(pid: number): number {
  return statFields(`/proc/${pid}/task/${pid}/stat`)?.cpu ?? 0;
}

/** USER_HZ is 100 on every Linux that Node runs on (sysconf(_SC_CLK_TCK)). */
const ticksPerSecond = 100;

function statFields(file: string): { parent: number; cpu: number } | undefined {
  const text = read(file);
  // The command name may contain spaces and brackets: fields are counted after the last bracket.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 13) return undefined;
  return { parent: Number(fields[1]), cpu: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond };
}

function numbers(folder: string): number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
