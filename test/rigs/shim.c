/*
 * Between the agent and the C library: a clock that jumps, a disk that is slow to say that it has written, and a disk that fails.
 * Numbers of 64 bits in a mapped file rule it while the agent runs: [0] ms added to the wall clock, [1] ms that every
 * fsync, fdatasync, msync and synchronous pwrite takes longer; [2] counts those that did. The monotonic clock, by which time-outs run, stays as it is.
 * [3] is the errno with which calls on files fail, 0 for none, below 0 the seconds for which they hang, [4] how many still do (below 0: all), [5] which (the bits
 * below), [6] counts those that did. From byte 64 on: a part of the path of the files that fail; empty for every file.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Writes that wait for the disk by themselves, other writes, waits for the disk, and changes of names (open to create, rename, …). */
enum { SYNCED_WRITE = 1, PLAIN_WRITE = 2, SYNC = 4, NAME = 8 };

static const size_t knobs_bytes = 512;
static volatile int64_t *knobs;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("SHIM_KNOBS");
  int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *map = mmap(NULL, knobs_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map != MAP_FAILED) knobs = map;
  close(fd);
}

static int64_t knob(int which) { return knobs ? knobs[which] : 0; }

static void linger(void) {
  int64_t ms = knob(1);
  struct timespec wait = {ms / 1000, (ms % 1000) * 1000000};
  if (ms <= 0) return;
  __sync_fetch_and_add(&knobs[2], 1);
  nanosleep(&wait, NULL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t id, struct timespec *at) {
  static __typeof__(&clock_gettime) real;
  if (!real) real = REAL(clock_gettime);
  int failed = real(id, at);
  if (!failed && id == CLOCK_REALTIME) {
    int64_t ns = at->tv_sec * 1000000000LL + at->tv_nsec + knob(0) * 1000000;
    at->tv_sec = ns / 1000000000;
    at->tv_nsec = ns % 1000000000;
  }
  return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

/* Whether a call on this path fails now; errno says why. */
static int fails_at(const char *path, int kind) {
  if (!knobs || knobs[3] == 0 || !(knobs[5] & kind)) return 0;
  const char *part = (const char *)knobs + 64;
  if (!strstr(path, part) || strncmp(path, "/", 1) != 0) return 0;
  if (knobs[4] == 0) return 0;
  if (knobs[4] > 0) __sync_fetch_and_sub(&knobs[4], 1);
  __sync_fetch_and_add(&knobs[6], 1);
  if (knobs[3] < 0) {
    struct timespec wait = {-knobs[3], 0};
    nanosleep(&wait, NULL);
    return 0;
  }
  errno = (int)knobs[3];
  return 1;
}

static int fails(int fd, int kind) {
  if (!knobs || knobs[3] == 0 || !(knobs[5] & kind)) return 0;
  char link[64], path[4096];
  struct stat about;
  if (fstat(fd, &about) || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fails_at(path, kind);
}

static int kind_of_write(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_DSYNC) ? SYNCED_WRITE : PLAIN_WRITE;
}

/* A write to a file opened so that it waits for the disk by itself. */
static void linger_if_synced(int fd) {
  if (kind_of_write(fd) == SYNCED_WRITE) linger();
}

#define WRITES(name, arguments, passed) \
  ssize_t name arguments { \
    linger_if_synced(fd); \
    if (fails(fd, kind_of_write(fd))) return -1; \
    return REAL(name) passed; \
  }

WRITES(pwrite, (int fd, const void *from, size_t length, off_t at), (fd, from, length, at))
WRITES(pwrite64, (int fd, const void *from, size_t length, off64_t at), (fd, from, length, at))
WRITES(pwritev, (int fd, const struct iovec *from, int count, off_t at), (fd, from, count, at))
WRITES(pwritev64, (int fd, const struct iovec *from, int count, off64_t at), (fd, from, count, at))

ssize_t write(int fd, const void *from, size_t length) {
  static __typeof__(&write) real;
  if (!real) real = REAL(write);
  return fails(fd, kind_of_write(fd)) ? -1 : real(fd, from, length);
}

ssize_t writev(int fd, const struct iovec *from, int count) {
  return fails(fd, kind_of_write(fd)) ? -1 : REAL(writev)(fd, from, count);
}

int fsync(int fd) { linger(); return fails(fd, SYNC) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { linger(); return fails(fd, SYNC) ? -1 : REAL(fdatasync)(fd); }
int msync(void *from, size_t length, int flags) { linger(); return REAL(msync)(from, length, flags); }
int ftruncate(int fd, off_t length) { return fails(fd, PLAIN_WRITE) ? -1 : REAL(ftruncate)(fd, length); }
int ftruncate64(int fd, off64_t length) { return fails(fd, PLAIN_WRITE) ? -1 : REAL(ftruncate64)(fd, length); }
int rename(const char *from, const char *to) { return fails_at(to, NAME) ? -1 : REAL(rename)(from, to); }
int link(const char *from, const char *to) { return fails_at(to, NAME) ? -1 : REAL(link)(from, to); }
int unlink(const char *path) { return fails_at(path, NAME) ? -1 : REAL(unlink)(path); }
int mkdir(const char *path, mode_t mode) { return fails_at(path, NAME) ? -1 : REAL(mkdir)(path, mode); }

#define OPENS(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    if ((flags & O_ACCMODE) != O_RDONLY && fails_at(path, NAME)) return -1; \
    return REAL(name)(path, flags, mode); \
  }

OPENS(open)
OPENS(open64)
