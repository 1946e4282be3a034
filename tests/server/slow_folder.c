/* For LD_PRELOAD: a file system that hangs, while the file that SLOW_FOLDER names is there, and a
   name service, while that of SLOW_NAMES is; what has come to it writes a byte into that file. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

static void Hang(const char *slow) {
  const int file = open(slow, O_WRONLY | O_APPEND);
  if (file < 0) return;
  const ssize_t written = write(file, "x", 1);
  close(file);
  for (int i = 0; i < 12000 && written == 1 && access(slow, F_OK) == 0; ++i) usleep(10000);
}

DIR *opendir(const char *path) {
  DIR *(*next)(const char *) = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");
  const char *slow = getenv("SLOW_FOLDER");
  if (slow != NULL) Hang(slow);
  return next(path);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
      (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
  const char *slow = getenv("SLOW_NAMES");
  if (slow != NULL) Hang(slow);
  return next(node, service, hints, found);
}
