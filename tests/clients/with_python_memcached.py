"""python-memcached, the oldest of the Python clients."""

import time

import memcache

from checks import address, check, gone, largest_value, main, some_bytes

HOST, PORT = address()
client = memcache.Client([f"{HOST}:{PORT}"], cache_cas=True, socket_timeout=20, server_max_value_length=8 << 20)


@check
def set_get_delete():
    client.flush_all()
    assert client.get("a") is None
    assert client.set("a", "1") is True
    assert client.get("a") == "1"
    assert client.delete("a") == 1
    assert client.get("a") is None


@check
def five_hundred_keys():
    values = {f"many:{n}": f"value {n}" for n in range(500)}
    assert client.set_multi(values) == []
    assert client.get_multi(list(values)) == values
    assert client.delete_multi(list(values)) == 1
    assert client.get_multi(list(values)) == {}


@check
def a_multi_set_without_replies():
    values = {f"quiet:{n}": str(n) for n in range(500)}
    assert client.set_multi(values, noreply=True) == []
    assert client.get_multi(list(values)) == values


@check
def cas():
    client.set("cas", "1")
    assert client.gets("cas") == "1"
    assert client.cas("cas", "2") is True
    client.gets("cas")
    client.set("cas", "3")
    assert not client.cas("cas", "4")
    assert client.get("cas") == "3"
    client.reset_cas()


@check
def incr_and_decr():
    client.set("n", 10)
    assert client.incr("n", 5) == 15
    assert client.decr("n", 100) == 0
    assert client.incr("n:none") is None
    client.incr("n", 1, noreply=True)
    assert client.get("n") == 1


@check
def add_replace_append_prepend():
    client.delete("s")
    assert not client.replace("s", "x")
    assert not client.append("s", "x")
    assert client.add("s", "b") is True
    assert not client.add("s", "x")
    assert client.append("s", "c") is True
    assert client.prepend("s", "a") is True
    assert client.get("s") == "abc"


@check
def objects_and_bytes():
    for value in ("text", 7, True, {"a": [1, None, 2.5]}, b"", b"\r\nEND\r\n", some_bytes(70_000), "ünï", ""):
        assert client.set("object", value) is True
        assert client.get("object") == value
    assert client.set("compressed", "x" * 100_000, min_compress_len=1000) is True
    assert client.get("compressed") == "x" * 100_000


@check
def the_largest_value_and_one_above():
    key = "large"
    most = largest_value(key)
    assert client.set(key, some_bytes(most)) is True
    assert client.get(key) == some_bytes(most)
    assert not client.set(key, some_bytes(most + 1))
    assert not client.set(key, some_bytes((1 << 20) + 1))
    assert client.set(key, "small") is True
    assert client.get(key) == "small"


@check
def expiry_and_touch():
    client.set("e:negative", "x", time=-1)
    assert client.get("e:negative") is None
    client.set("e:absolute", "x", time=int(time.time()) + 3)
    client.set("e:short", "x", time=2)
    client.set("e:touched", "x")
    assert client.touch("e:touched", 2) == 1
    keys = ["e:short", "e:absolute", "e:touched"]
    assert len(client.get_multi(keys)) == 3
    assert gone(*(lambda key=key: client.get(key) for key in keys))


@check
def stats_and_flush_all():
    client.set("f", "x")
    [(server, stats)] = client.get_stats()
    assert f":{PORT}" in server, server
    assert {"pid", "uptime", "version", "curr_connections", "cmd_get"} <= set(stats), stats
    client.flush_all()
    assert client.get("f") is None


main()
