/** The agent in its own process, started as by an operator: `node dist/agent/main.js …`. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const main = fileURLToPath(new URL('../../agent/main.js', import.meta.url));

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface AgentProcess extends AsyncDisposable {
  readonly pid: number;
  /** Standard output and standard error so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** Lines of standard error that are JSON. */
  readonly logLines: readonly LogLine[];
  /** Resolves when the process is gone. */
  readonly exited: Promise<Exit>;
  /** Waits for the log line with this message. */
  logs(message: string | RegExp, timeoutMs?: number): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  /** Ids of the agent's running processes; empty without /proc. */
  processes(): number[];
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Maximum time of a regular end: messages are flushed for 2 s, cameras and model close within 1 s. */
const maxEndingMs = 10_000;

/** Starts it. Disposal ends it if it still runs, and rejects if it leaves a process behind. */
export function startAgent(args: readonly string[], options: StartOptions = {}): AgentProcess {
  const mark = `PLANT_MARK=${randomUUID()}`;
  const [name, value] = mark.split('=') as [string, string];
  const own = Object.entries(process.env).filter(([key]) => !/^(QC_|NODE_OPTIONS$|VITEST)/.test(key));
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(own), ...options.env, [name]: value },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  // For a test that exceeded its time and did not dispose it.
  const killed = () => void child.kill('SIGKILL');
  process.once('exit', killed);
  let ended = false;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', () => {
      ended = true;
      process.off('exit', killed);
    });
    // `close`, not `exit`: only then all output was read.
    child.once('close', (code, signal) => resolve({ code, signal }));
  });

  const agent: AgentProcess = {
    pid: child.pid!,
    get stdout() {
      return output.stdout;
    },
    get stderr() {
      return output.stderr;
    },
    get logLines() {
      return output.stderr
        .split('\n')
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => JSON.parse(line) as LogLine);
    },
    exited,
    logs(message, timeoutMs = 20_000) {
      const wanted = ({ msg }: LogLine) =>
        typeof message === 'string' ? msg.includes(message) : message.test(msg);
      return until(
        () => {
          const line = agent.logLines.find(wanted);
          if (!line && ended)
            throw new Error(`the agent ended before it logged ${message}: ${output.stderr}`);
          return line;
        },
        { timeoutMs, everyMs: 25, what: `the log line ${message}` },
      );
    },
    kill: (signal) => void child.kill(signal),
    processes: () => markedProcesses(mark),
    async stop(signal = 'SIGTERM') {
      if (!ended) child.kill(signal);
      return exited;
    },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), maxEndingMs);
      await exited;
      clearTimeout(patience);
      try {
        // A killed child of a killed agent ends a little later.
        await until(() => markedProcesses(mark).length === 0, {
          timeoutMs: 5_000,
          what: 'every process to end',
        });
      } catch {
        const left = markedProcesses(mark);
        for (const pid of left) process.kill(pid, 'SIGKILL');
        throw new Error(`the agent left processes behind: ${left.join(', ')}`);
      }
    },
  };
  return agent;
}

/** Running processes that inherited the mark, with any parent: see environ in proc(5). */
function markedProcesses(mark: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
      } catch {
        // Ended meanwhile, a zombie, or of another user.
        return false;
      }
    })
    .map(Number);
}
