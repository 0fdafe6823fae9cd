"""pylibmc, which is libmemcached, in its text mode."""

import time

import pylibmc

from checks import address, check, gone, largest_value, main, some_bytes

HOST, PORT = address()
client = pylibmc.Client(
    [f"{HOST}:{PORT}"],
    binary=False,
    behaviors={"tcp_nodelay": True, "cas": True, "receive_timeout": 20_000_000, "send_timeout": 20_000_000},
)


@check
def set_get_delete():
    client.flush_all()
    assert client.get("a") is None
    assert client.set("a", "1") is True
    assert client.get("a") == "1"
    assert client.delete("a") is True
    assert client.delete("a") is False


@check
def five_hundred_keys():
    values = {f"many:{n}": f"value {n}" for n in range(500)}
    assert client.set_multi(values) == []
    assert client.get_multi(list(values)) == values
    assert client.get_multi(list(values) + [f"none:{n}" for n in range(500)]) == values
    assert client.get_multi([str(n) for n in range(500)], key_prefix="many:") == {
        str(n): f"value {n}" for n in range(500)
    }
    assert client.delete_multi(list(values)) is True
    assert client.get_multi(list(values)) == {}


@check
def cas():
    client.set("cas", "1")
    value, token = client.gets("cas")
    assert value == "1"
    assert client.cas("cas", "2", token) is True
    assert client.cas("cas", "3", token) is False
    assert client.get("cas") == "2"
    assert client.gets("cas:none") == (None, None)


@check
def incr_and_decr():
    client.set("n", 10)
    assert client.incr("n", 5) == 15
    assert client.decr("n", 3) == 12
    assert client.decr("n", 100) == 0
    try:
        client.incr("n:none")
        raise AssertionError("a missing key was counted")
    except pylibmc.NotFound:
        pass
    client.set_multi({f"n:{n}": n for n in range(20)})
    client.incr_multi([f"n:{n}" for n in range(20)], delta=100)
    assert client.get_multi([f"n:{n}" for n in range(20)]) == {f"n:{n}": n + 100 for n in range(20)}


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
    assert client.get("s") == "abc"
    assert client.add_multi({"s": "x", "s:new": "x"}) == ["s"]


@check
def objects_and_bytes():
    for value in ("text", 7, 2**40, True, {"a": [1, None, 2.5]}, b"", b"\r\nEND\r\n", some_bytes(70_000), "ünï"):
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
    for size in (most + 1, (1 << 20) + 1):
        try:
            stored = client.set(key, some_bytes(size))
        except (pylibmc.TooBig, pylibmc.ServerError):
            stored = False
        assert stored is False, size
    assert client.set(key, "small") is True
    assert client.get(key) == "small"


@check
def expiry_and_touch():
    client.set("e:absolute", "x", time=int(time.time()) + 3)
    client.set("e:short", "x", time=2)
    client.set("e:touched", "x")
    assert client.touch("e:touched", 2) is True
    assert client.touch("e:none", 2) is False
    keys = ["e:short", "e:absolute", "e:touched"]
    assert len(client.get_multi(keys)) == 3
    assert gone(*(lambda key=key: client.get(key) for key in keys))


@check
def noreply_and_buffering():
    quiet = client.clone()
    quiet.behaviors = {"no_block": True, "_noreply": True}
    for n in range(500):
        quiet.set(f"q:{n}", n)
    quiet.delete("q:0")
    assert quiet.get_multi([f"q:{n}" for n in range(500)]) == {f"q:{n}": n for n in range(1, 500)}
    quiet.disconnect_all()


@check
def stats_and_flush_all():
    client.set("f", "x")
    [(server, stats)] = client.get_stats()
    assert f":{PORT}" in str(server), server
    assert {"pid", "uptime", "version", "curr_connections", "cmd_get"} <= set(stats), stats
    assert client.flush_all() is True
    assert client.get("f") is None


main()
