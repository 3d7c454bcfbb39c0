declare module 'fs-native-extensions' {
  /** Takes an exclusive lock on the whole file; false if somebody else has one. @throws what the operating system says */
  export function tryLock(fd: number): boolean;
}
