/*
 * Between the agent and the C library: a clock that jumps and a disk that is slow to say that it has written.
 * Numbers of 64 bits in a mapped file rule it while the agent runs: [0] ms added to the wall clock, [1] ms that every
 * fsync, fdatasync, msync and synchronous pwrite takes longer; [2] counts those that did. The monotonic clock, by which time-outs run, stays as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *knobs;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("SHIM_KNOBS");
  int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *map = mmap(NULL, 24, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
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

/* A write to a file opened so that it waits for the disk by itself. */
static void linger_if_synced(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_DSYNC)) linger();
}

ssize_t pwrite(int fd, const void *from, size_t length, off_t at) {
  linger_if_synced(fd);
  return REAL(pwrite)(fd, from, length, at);
}

ssize_t pwrite64(int fd, const void *from, size_t length, off64_t at) {
  linger_if_synced(fd);
  return REAL(pwrite64)(fd, from, length, at);
}

int fsync(int fd) { linger(); return REAL(fsync)(fd); }
int fdatasync(int fd) { linger(); return REAL(fdatasync)(fd); }
int msync(void *from, size_t length, int flags) { linger(); return REAL(msync)(from, length, flags); }
