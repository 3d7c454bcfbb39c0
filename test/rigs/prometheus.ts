/** Prometheus as packaged by Debian, with the shipped rules: queries are answered by the real engine. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { packageRoot } from '../../config/package.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

/** The reason why Prometheus cannot run on this machine; undefined if it can. */
export const prometheusMissing =
  spawnSync('prometheus', ['--version']).error === undefined ? undefined : 'prometheus is not installed here';

export const shipped = join(packageRoot, 'deploy/prometheus');
export const ruleFiles = ['qc.rules.yml', 'qc.alerts.yml'];

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Without samples that are not numbers. */
  readonly values: readonly number[];
}

export interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

export interface Prometheus extends AsyncDisposable {
  /** The current value of an expression. @throws with the message of the engine if it is invalid */
  query(expr: string): Promise<readonly Sample[]>;
  /** Its values over the last seconds. */
  queryRange(expr: string, seconds: number): Promise<readonly Sample[]>;
  /** Values of a label on the selected series, as Grafana's label_values. */
  labelValues(selector: string, label: string): Promise<readonly string[]>;
  rules(): Promise<readonly Rule[]>;
  /** Pending and firing alerts. */
  alerts(): Promise<readonly Alert[]>;
}

/** Replaces time windows by seconds, because a test cannot wait for hours. */
export function shortened(promql: string): string {
  return promql.replaceAll(/\[\d+[smhd]\]/g, '[15s]').replaceAll(/\boffset \d+[smhd]\b/g, 'offset 4s');
}

/** Scrapes `host:port` each second with the shipped configuration and shortened windows. */
export async function startPrometheus(target: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'qc-prometheus-'));
  const config = parse(await readFile(join(shipped, 'prometheus.yml'), 'utf8'));
  config.global = { scrape_interval: '1s', evaluation_interval: '1s' };
  config.scrape_configs[0].static_configs[0].targets = [target];
  await writeFile(join(folder, 'prometheus.yml'), stringify(config));
  for (const file of ruleFiles) {
    await writeFile(join(folder, file), shortened(await readFile(join(shipped, file), 'utf8')));
  }
  const port = await freePort();
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  const killed = () => void child.kill('SIGKILL');
  process.once('exit', killed);
  let running = true;
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      running = false;
      process.off('exit', killed);
      resolve();
    });
  });
  const stop = async () => {
    if (running) child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await until(
      async () => {
        if (!running) throw new Error(`prometheus ended: ${said}`);
        return await fetch(`${url}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        );
      },
      { timeoutMs: 30_000, everyMs: 100, what: 'prometheus to be ready' },
    );
  } catch (error) {
    await stop();
    throw error;
  }

  async function ask<T>(path: string, parameters: Readonly<Record<string, string>>): Promise<T> {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${JSON.stringify(parameters)}`);
    return answer.data;
  }

  return {
    async query(query) {
      return samplesOf(await ask<Answer>('query', { query }));
    },
    async queryRange(query, seconds) {
      const end = Date.now() / 1000;
      const range = { start: String(end - seconds), end: String(end), step: '1' };
      return samplesOf(await ask<Answer>('query_range', { query, ...range }));
    },
    labelValues: (selector, label) => ask(`label/${label}/values`, { 'match[]': selector }),
    async rules() {
      const { groups } = await ask<{ groups: { rules: Rule[] }[] }>('rules', {});
      return groups.flatMap(({ rules }) => rules);
    },
    alerts: async () => (await ask<{ alerts: Alert[] }>('alerts', {})).alerts,
    [Symbol.asyncDispose]: stop,
  };
}

type Point = readonly [time: number, value: string];
interface Answer {
  readonly resultType: 'scalar' | 'string' | 'vector' | 'matrix';
  readonly result: Point | readonly { metric: Sample['metric']; value?: Point; values?: readonly Point[] }[];
}

function samplesOf({ resultType, result }: Answer): Sample[] {
  const series =
    resultType === 'scalar'
      ? [{ metric: {}, value: result as Point }]
      : (result as Exclude<Answer['result'], Point>);
  return series.map(({ metric, value, values = value ? [value] : [] }) => ({
    metric,
    values: values.map(([, text]) => Number(text)).filter(Number.isFinite),
  }));
}
