"""pymemcache, as its documentation shows it."""

import re
import threading
import time

from pymemcache import serde
from pymemcache.client.base import Client, PooledClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError, MemcacheUnknownCommandError

from checks import address, check, gone, largest_value, main, raises, some_bytes

ADDRESS = address()
client = Client(ADDRESS, default_noreply=False, timeout=20, connect_timeout=20)


@check
def set_get_delete():
    client.flush_all()
    assert client.get("a") is None
    assert client.get("a", "default") == "default"
    assert client.set("a", "1") is True
    assert client.get("a") == b"1"
    assert client.delete("a") is True
    assert client.delete("a") is False
    assert client.get("a") is None


@check
def five_hundred_keys_in_the_order_they_were_asked_for():
    values = {f"many:{n}": b"value %d" % n for n in range(500)}
    assert client.set_many(values) == []
    asked = list(values)
    assert client.get_many(asked) == values
    assert list(client.get_many(asked)) == asked
    with_holes = [key for n in range(500) for key in (f"many:{n}", f"none:{n}")]
    assert client.get_many(with_holes) == values
    tokens = client.gets_many(asked)
    assert {key: value for key, (value, _) in tokens.items()} == values
    assert client.delete_many(asked) is True
    assert client.get_many(asked) == {}


@check
def cas():
    client.set("cas", "1")
    value, token = client.gets("cas")
    assert value == b"1"
    assert client.cas("cas", "2", token) is True
    assert client.cas("cas", "3", token) is False
    assert client.get("cas") == b"2"
    assert client.cas("cas:none", "1", token) is None
    assert client.gets("cas:none") == (None, None)


@check
def incr_and_decr():
    client.set("n", "10")
    assert client.incr("n", 5) == 15
    assert client.decr("n", 3) == 12
    assert client.decr("n", 100) == 0
    assert client.incr("n:none", 1) is None
    client.set("n", str(2**64 - 1))
    assert client.incr("n", 2) == 1
    client.set("n", "text")
    raises(MemcacheClientError, client.incr, "n", 1)
    assert client.get("n") == b"text"


@check
def add_replace_append_prepend():
    client.delete("s")
    assert client.replace("s", "x") is False
    assert client.append("s", "x") is False
    assert client.prepend("s", "x") is False
    assert client.add("s", "b") is True
    assert client.add("s", "x") is False
    assert client.append("s", "c") is True
    assert client.prepend("s", "a") is True
    assert client.get("s") == b"abc"
    assert client.replace("s", "d") is True
    assert client.get("s") == b"d"


@check
def values_of_any_bytes_and_none():
    for value in (b"", b"\r\n", b"END\r\n", b"\0", b"VALUE a 0 1\r\nx\r\nEND\r\n", some_bytes(70_000)):
        assert client.set("bytes", value) is True
        assert client.get("bytes") == value, value[:40]


@check
def flags_and_objects():
    objects = Client(ADDRESS, serde=serde.pickle_serde, default_noreply=False)
    for value in ("text", 7, {"a": [1, None, 2.5]}, b"bytes", "ünï", ""):
        assert objects.set("object", value) is True
        assert objects.get("object") == value
    assert client.set("flags", "x", flags=2**32 - 1) is True
    assert client.get("flags") == b"x"
    objects.close()


@check
def the_largest_value_and_one_above():
    key = "large"
    most = largest_value(key)
    value = some_bytes(most)
    assert client.set(key, value) is True
    assert client.get(key) == value
    assert client.get_many([key, "none"]) == {key: value}
    for size in (most + 1, 1 << 20, (1 << 20) + 1, 3 << 20):
        client.set(key, "old")
        error = raises(MemcacheServerError, client.set, key, some_bytes(size))
        assert "object too large for cache" in str(error), error
        # Memcached does not leave an old value where a new one was wanted.
        assert client.get(key) is None, size


@check
def keys_of_250_and_251_bytes():
    key = "k" * 250
    assert client.set(key, "x") is True
    assert client.get(key) == b"x"
    # The client refuses longer ones itself; the server is asked by hand.
    raises(MemcacheClientError, client.raw_command, "get " + "k" * 251)
    assert client.get(key) == b"x"


@check
def touch_and_gat():
    client.set("t", "x", expire=1000)
    assert client.touch("t", 2000) is True
    assert client.touch("t:none", 2000) is False
    # This client has no gat of its own, but it can say what it is told to.
    assert client.raw_command("gat 3000 t", "END\r\n") == b"VALUE t 0 1\r\nx\r\n"
    assert client.raw_command("gat 3000 t:none", "END\r\n") == b""
    assert client.raw_command("gats 3000 t", "END\r\n").startswith(b"VALUE t 0 1 ")


@check
def expiry():
    client.set("e:negative", "x", expire=-1)
    assert client.get("e:negative") is None
    client.set("e:past", "x", expire=int(time.time()) - 10)
    assert client.get("e:past") is None
    client.set("e:short", "x", expire=2)
    client.set("e:absolute", "x", expire=int(time.time()) + 3)
    client.set("e:touched", "x")
    client.touch("e:touched", 2)
    client.set("e:gat", "x")
    client.raw_command("gat 2 e:gat", "END\r\n")
    client.set("e:saved", "x", expire=2)
    client.touch("e:saved", 1000)
    keys = ["e:short", "e:absolute", "e:touched", "e:gat"]
    assert len(client.get_many(keys)) == 4
    assert gone(*(lambda key=key: client.get(key) for key in keys))
    assert client.get("e:saved") == b"x"


@check
def noreply_leaves_the_connection_in_step():
    client.set_many({"q": "1", "q:deleted": "x", "q:cas": "x"}, noreply=True)
    client.add("q:added", "x", noreply=True)
    client.replace("q", "10", noreply=True)
    client.incr("q", 5, noreply=True)
    client.decr("q", 1, noreply=True)
    client.append("q", "0", noreply=True)
    client.prepend("q", "1", noreply=True)
    client.touch("q", 1000, noreply=True)
    client.delete("q:deleted", noreply=True)
    client.delete("q:none", noreply=True)
    _, token = client.gets("q:cas")
    client.cas("q:cas", "y", token, noreply=True)
    client.cas("q:cas", "z", token, noreply=True)
    assert client.get_many(["q", "q:added", "q:deleted", "q:cas"]) == {"q": b"1140", "q:added": b"x", "q:cas": b"y"}
    client.flush_all(noreply=True)
    assert client.get("q") is None


@check
def stats_tell_the_truth():
    client.set_many({f"stat:{n}": "x" for n in range(60)})
    before = client.stats()
    for name in (b"pid", b"uptime", b"time", b"version", b"curr_connections", b"total_connections", b"cmd_get"):
        assert name in before, f"{name} is not among {before}"
    for n in range(100):
        client.get(f"stat:{n}")
    after = client.stats()
    counted = {name: after[name] - before[name] for name in (b"cmd_get", b"get_hits", b"get_misses", b"cmd_set")}
    assert counted == {b"cmd_get": 100, b"get_hits": 60, b"get_misses": 40, b"cmd_set": 0}, counted
    for kind in ("settings", "items", "slabs", "sizes"):
        client.stats(kind)
    client.set("stat", "x")
    assert client.get("stat") == b"x"


@check
def version_and_verbosity():
    assert re.fullmatch(rb"\d+\.\d+\.\d+\S*", client.version()), client.version()
    assert client.raw_command("verbosity 0") == b"OK"
    raises(MemcacheUnknownCommandError, client.raw_command, "nonsense")
    assert client.get("a") is None


@check
def a_pool_of_connections():
    pool = PooledClient(ADDRESS, max_pool_size=8, default_noreply=False)
    wrong = []

    def work(me):
        for n in range(50):
            pool.set(f"pool:{me}:{n}", str(n))
            if pool.get(f"pool:{me}:{n}") != b"%d" % n:
                wrong.append((me, n))

    threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    pool.close()


@check
def flush_all_now():
    values = {f"f:{n}": b"x" for n in range(50)}
    client.set_many(values)
    assert client.flush_all() is True
    assert client.get_many(list(values)) == {}


@check
def flush_all_later():
    values = {f"f:{n}": b"x" for n in range(50)}
    client.set_many(values)
    assert client.get_many(list(values)) == values
    assert client.flush_all(delay=2) is True
    assert client.get_many(list(values)) == values
    assert gone(lambda: client.get_many(list(values)) or None)


@check
def quit_closes():
    client.quit()
    assert client.get("a") is None


main()
