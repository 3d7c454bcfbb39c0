/** Disk errors that may be temporary: full, read-only, disconnected or broken disks, and missing permissions. */
import { constants } from 'node:os';

const codes = [
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  'EROFS',
  'EACCES',
  'EPERM',
  'EIO',
  'ENXIO',
  'ENODEV',
  'ENOENT',
  'ENOMEDIUM',
  'ENOTCONN',
  'ESTALE',
  'ESHUTDOWN',
  'EHOSTDOWN',
  'ETIMEDOUT',
  'EBUSY',
  'EMFILE',
  'ENFILE',
  'ENOLCK',
  'EOPNOTSUPP',
  'ENOSYS',
] as const;
const numbers = new Set(codes.map((code) => (constants.errno as Record<string, number>)[code]));
/** Linux numbers of ENOMEDIUM, EHOSTDOWN and ESHUTDOWN, which are missing in Node's list. */
for (const number of [108, 112, 123]) numbers.add(number);

/** Whether an error of the file system or of lmdb (which reports errno as a number) is such a disk error. */
export function isDiskFault(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (typeof code === 'number') return numbers.has(code);
  if (typeof code === 'string' && (codes as readonly string[]).includes(code)) return true;
  return cause !== undefined && cause !== error && isDiskFault(cause);
}
