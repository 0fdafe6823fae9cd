/* Where libmemcached sends keys. Reads what `input_of` in libmemcached.rs writes; prints a line of owners a case. */

#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static memcached_hash_t hash_named(const char *name) {
  static const struct {
    const char *name;
    memcached_hash_t hash;
  } hashes[] = {
      {"one_at_a_time", MEMCACHED_HASH_DEFAULT}, {"md5", MEMCACHED_HASH_MD5},
      {"crc32", MEMCACHED_HASH_CRC},             {"fnv1_64", MEMCACHED_HASH_FNV1_64},
      {"fnv1a_64", MEMCACHED_HASH_FNV1A_64},     {"fnv1_32", MEMCACHED_HASH_FNV1_32},
      {"fnv1a_32", MEMCACHED_HASH_FNV1A_32},     {"murmur", MEMCACHED_HASH_MURMUR},
      {"jenkins", MEMCACHED_HASH_JENKINS},
  };
  for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
    if (!strcmp(hashes[i].name, name)) return hashes[i].hash;
  }
  fprintf(stderr, "no hash %s\n", name);
  exit(2);
}

static void must(memcached_return_t result) {
  if (result != MEMCACHED_SUCCESS) {
    fprintf(stderr, "%s\n", memcached_strerror(NULL, result));
    exit(3);
  }
}

int main(void) {
  int count, nodes;
  char distribution[32], hash[32], host[256], hex[512];
  if (scanf("keys %d", &count) != 1) return 1;
  char(*keys)[251] = calloc(count, sizeof(*keys));
  size_t *lengths = calloc(count, sizeof(*lengths));
  for (int i = 0; i < count; i++) {
    if (scanf("%511s", hex) != 1) return 1;
    lengths[i] = strlen(hex) / 2;
    for (size_t j = 0; j < lengths[i]; j++) {
      unsigned byte;
      sscanf(hex + 2 * j, "%2x", &byte);
      keys[i][j] = (char) byte;
    }
  }
  while (scanf("%31s %31s %d", distribution, hash, &nodes) == 3) {
    memcached_st *client = memcached_create(NULL);
    /* Behaviours before servers, as a configuration string has them: a weight turns plain ketama into weighted. */
    if (!strcmp(distribution, "ketama")) must(memcached_behavior_set(client, MEMCACHED_BEHAVIOR_KETAMA, 1));
    if (!strcmp(distribution, "ketama_weighted"))
      must(memcached_behavior_set(client, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1));
    must(memcached_behavior_set(client, MEMCACHED_BEHAVIOR_HASH, hash_named(hash)));
    for (int i = 0; i < nodes; i++) {
      unsigned port, weight;
      if (scanf("%255s %u %u", host, &port, &weight) != 3) return 1;
      if (host[0] == '/') must(memcached_server_add_unix_socket_with_weight(client, host, weight));
      else must(memcached_server_add_with_weight(client, host, (in_port_t) port, weight));
    }
    for (int i = 0; i < count; i++) {
      printf(i ? " %u" : "%u", memcached_generate_hash(client, keys[i], lengths[i]));
    }
    putchar('\n');
    memcached_free(client);
  }
  return 0;
}
