/** Creates folders and checks their file system. */
import { mkdir, stat, statfs } from 'node:fs/promises';
import { platform } from 'node:os';
import { dirname } from 'node:path';
import { QcError } from '../../config/errors.ts';

/**
 * Creates a folder and its parents. Node's `mkdir` with `recursive` loops forever if the system reports ENOENT for a folder whose
 * parent exists (procfs, sysfs).
 * @returns the first folder that was created; undefined if all existed
 * @throws file system errors
 */
export async function makeFolders(folder: string): Promise<string | undefined> {
  try {
    await mkdir(folder);
    return folder;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(folder) !== folder) {
      const first = await makeFolders(dirname(folder));
      await mkdir(folder).catch(async (again: NodeJS.ErrnoException) => {
        // Another process may have created it meanwhile.
        if (again.code !== 'EEXIST') throw again;
      });
      return first ?? folder;
    }
    if (await isFolder(folder)) return undefined;
    throw error;
  }
}

const isFolder = (path: string) =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

/** Pseudo file systems by magic number (linux/magic.h). */
const notForData = new Map([
  [0x9fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x1cd1, 'devpts'],
  [0x27e0eb, 'cgroup'],
  [0x63677270, 'cgroup2'],
  [0x64626720, 'debugfs'],
  [0x74726163, 'tracefs'],
  [0x73636673, 'securityfs'],
  [0x62656570, 'configfs'],
  [0xcafe4a11, 'bpf'],
  [0x6165676c, 'pstore'],
  [0xde5e81e4, 'efivarfs'],
  [0x19800202, 'mqueue'],
  [0xf97cff8c, 'selinuxfs'],
  [0x42494e4d, 'binfmt_misc'],
]);

/**
 * Refuses a directory on a pseudo file system. @param directory may not exist yet
 * @throws QcError storage-unusable, or file system errors
 */
export async function requireDataFileSystem(directory: string): Promise<void> {
  if (platform() !== 'linux') return;
  const found = await statfs(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' || dirname(directory) === directory) throw error;
    return undefined;
  });
  if (!found) return requireDataFileSystem(dirname(directory));
  const name = notForData.get(Number(found.type) >>> 0);
  if (name === undefined) return;
  throw new QcError('storage-unusable', `${directory} is on a file system that cannot hold data (${name})`);
}
