/* Where spymemcached sends keys. Reads what `input_of` in libmemcached.rs writes; prints a line of owners a case. */

import java.lang.reflect.Proxy;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.*;
import net.spy.memcached.*;

public class Spymemcached {
  static final Map<String, HashAlgorithm> HASHES = Map.of(
      "md5", DefaultHashAlgorithm.KETAMA_HASH, "crc32", DefaultHashAlgorithm.CRC_HASH,
      "fnv1_64", DefaultHashAlgorithm.FNV1_64_HASH, "fnv1a_64", DefaultHashAlgorithm.FNV1A_64_HASH,
      "fnv1_32", DefaultHashAlgorithm.FNV1_32_HASH, "fnv1a_32", DefaultHashAlgorithm.FNV1A_32_HASH);

  /* A node without a connection: a locator asks for its address alone. */
  static MemcachedNode node(InetSocketAddress address) {
    return (MemcachedNode) Proxy.newProxyInstance(
        Spymemcached.class.getClassLoader(), new Class<?>[] {MemcachedNode.class}, (self, method, arguments) ->
            switch (method.getName()) {
              case "getSocketAddress" -> address;
              case "hashCode" -> System.identityHashCode(self);
              case "equals" -> self == arguments[0];
              case "toString" -> address.toString();
              default -> throw new UnsupportedOperationException(method.getName());
            });
  }

  public static void main(String[] none) {
    System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SunLogger");
    Scanner in = new Scanner(System.in);
    in.next();
    List<String> keys = new ArrayList<>();
    for (int left = in.nextInt(); left > 0; left--) {
      keys.add(new String(HexFormat.of().parseHex(in.next()), StandardCharsets.US_ASCII));
    }
    while (in.hasNext()) {
      boolean ketama = in.next().equals("ketama");
      HashAlgorithm hash = HASHES.get(in.next());
      List<MemcachedNode> nodes = new ArrayList<>();
      Map<InetSocketAddress, Integer> weights = new HashMap<>();
      for (int left = in.nextInt(); left > 0; left--) {
        InetSocketAddress address = new InetSocketAddress(in.next(), in.nextInt());
        nodes.add(node(address));
        weights.put(address, in.nextInt());
      }
      if (weights.values().stream().allMatch(weight -> weight == 1)) {
        weights.clear();
      }
      NodeLocator locator = ketama
          ? new KetamaNodeLocator(nodes, hash, KetamaNodeKeyFormatter.Format.SPYMEMCACHED, weights)
          : new ArrayModNodeLocator(nodes, hash);
      StringJoiner owners = new StringJoiner(" ");
      keys.forEach(key -> owners.add(String.valueOf(nodes.indexOf(locator.getPrimary(key)))));
      System.out.println(owners);
    }
  }
}
