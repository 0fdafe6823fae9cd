/* Where a client that is made of a configuration string sends keys: hexadecimal lines in, a line of owners out. */

#include <libmemcached/memcached.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  char hex[512], key[256];
  memcached_st *client = argc == 2 ? memcached(argv[1], strlen(argv[1])) : NULL;
  if (client == NULL) {
    fprintf(stderr, "not a configuration string\n");
    return 2;
  }
  while (scanf("%511s", hex) == 1) {
    size_t length = strlen(hex) / 2;
    for (size_t i = 0; i < length; i++) {
      unsigned byte;
      sscanf(hex + 2 * i, "%2x", &byte);
      key[i] = (char) byte;
    }
    printf("%u\n", memcached_generate_hash(client, key, length));
  }
  memcached_free(client);
  return 0;
}
