declare module 'fs-native-extensions' {
  /** Takes an exclusive lock on the whole file; false if another process holds one. @throws errors of the operating system */
  export function tryLock(fd: number): boolean;
}
