/** The storage directory, locked by this agent. */
import { type LateDataDirectory, openDataDirectoryInTime } from '../lifecycle/data-directory.ts';
import type { Core } from './core.ts';

/** @throws QcError if another agent uses the data, or it is damaged or of a later version */
export function openStorage({ config, log, version, station }: Core): Promise<LateDataDirectory> {
  return openDataDirectoryInTime(config.storage.directory, version, {
    onFault(text) {
      if (text) log.warn(text);
      else log.info('storage: the directory is available again');
      station.notice('storage', text);
    },
  });
}
