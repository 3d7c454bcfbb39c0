/** The guide on the page for a station without a configuration. */
import { hostname } from 'node:os';
import { openLog } from '../lifecycle/log.ts';
import { runFirstSetup } from '../setup/first-run.ts';
import { environment, isWatched, note } from './shell.ts';

export interface GuideOptions {
  readonly host: string;
  readonly port: number;
}

export const guideDefaults: GuideOptions = { host: '127.0.0.1', port: 8080 };

/** Resolves when the configuration file is written; false if the person stopped the guide. */
export async function guideUnlessStopped(
  file: string,
  options: GuideOptions,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await guide(file, options, signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

async function guide(file: string, { host, port }: GuideOptions, signal: AbortSignal): Promise<void> {
  const log = openLog({ level: 'warn', format: 'auto' }, isWatched);
  await runFirstSetup(
    {
      file,
      env: environment,
      host,
      port,
      station: stationName(),
      log,
      onServed(url, token) {
        note(`There is no configuration yet. Open the guide in a browser: ${url}/`);
        if (token) note(`Log in with this token (it is not shown again): ${token}`);
        note(`The guide writes ${file} and then starts the inspection. Press Ctrl-C to stop.`);
      },
    },
    signal,
  );
}

/** The name of this machine, as far as it can be the name of a station. */
export function stationName(): string {
  const name = hostname()
    .split('.')[0]!
    .replace(/[^A-Za-z0-9_-]/g, '')
    .replace(/^[-_]+/, '');
  return name.slice(0, 63) || 'station-1';
}
