/** The storage directory, held by this agent alone. */
import { type LateDataDirectory, openDataDirectoryInTime } from '../lifecycle/data-directory.ts';
import type { Core } from './core.ts';

/** @throws QcError if the data is another agent's, damaged or of a later version */
export function openStorage({ config, log, version, station }: Core): Promise<LateDataDirectory> {
  return openDataDirectoryInTime(config.storage.directory, version, {
    onFault(text) {
      if (text) log.warn(text);
      else log.info('storage: the directory is in use again');
      station.notice('storage', text);
    },
  });
}
