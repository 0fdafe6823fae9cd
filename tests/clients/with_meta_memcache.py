"""meta-memcache, a client that speaks meta commands and nothing else."""

import threading

from meta_memcache import (
    CacheClient,
    Key,
    LeasePolicy,
    RecachePolicy,
    ServerAddress,
    SetMode,
    StalePolicy,
    connection_pool_factory_builder,
)

from checks import address, check, gone, main, some_bytes

HOST, PORT = address()


def connect():
    return CacheClient.cache_client_from_servers(
        servers=[ServerAddress(host=HOST, port=PORT)],
        connection_pool_factory_fn=connection_pool_factory_builder(
            max_pool_size=64, connection_timeout=20, recv_timeout=20
        ),
    )


client = connect()


@check
def set_get_delete():
    client.invalidate("a")
    assert client.get("a") is None
    assert client.set("a", "1", ttl=1000) is True
    assert client.get("a") == "1"
    assert client.delete("a") is True
    assert client.delete("a") is False
    assert client.invalidate("a") is True


@check
def five_hundred_keys():
    keys = [Key(f"many:{n}") for n in range(500)]
    for n, key in enumerate(keys):
        client.set(key, n, ttl=1000, no_reply=True)
    assert client.multi_get(keys) == {key: n for n, key in enumerate(keys)}
    mixed = [key for n in range(500) for key in (Key(f"many:{n}"), Key(f"none:{n}"))]
    found = client.multi_get(mixed)
    assert {key.key: value for key, value in found.items() if value is not None} == {
        f"many:{n}": n for n in range(500)
    }
    tokens = client.multi_get_cas(keys)
    assert all(value == n and token for n, (value, token) in enumerate(tokens[key] for key in keys))


@check
def binary_and_long_keys():
    for name in ("käse", "🍺", "with space", "k" * 250, "long" * 200):
        key = Key(name)
        assert client.set(key, name, ttl=1000) is True, name
        assert client.get(key) == name
        assert client.multi_get([key, Key("none")])[key] == name
        assert client.delete(key) is True
        assert client.get(key) is None


@check
def cas():
    client.set("cas", "1", ttl=1000)
    value, token = client.get_cas("cas")
    assert value == "1"
    assert client.set("cas", "2", ttl=1000, cas_token=token) is True
    assert client.set("cas", "3", ttl=1000, cas_token=token) is False
    assert client.delete("cas", cas_token=token) is False
    token = client.set_cas("cas", "4", ttl=1000)
    assert client.set("cas", "5", ttl=1000, cas_token=token) is True
    assert client.get("cas") == "5"


@check
def modes():
    client.invalidate("s")
    for mode in (SetMode.REPLACE, SetMode.APPEND, SetMode.PREPEND):
        assert client.set("s", "x", ttl=1000, set_mode=mode) is False, mode
    assert client.set("s", "b", ttl=1000, set_mode=SetMode.ADD) is True
    assert client.set("s", "x", ttl=1000, set_mode=SetMode.ADD) is False
    assert client.refill("s", "x", ttl=1000) is False
    assert client.set("s", "c", ttl=1000, set_mode=SetMode.APPEND) is True
    assert client.set("s", "a", ttl=1000, set_mode=SetMode.PREPEND) is True
    assert client.get("s") == "abc"
    assert client.set("s", "d", ttl=1000, set_mode=SetMode.REPLACE) is True
    assert client.get("s") == "d"


@check
def arithmetic():
    client.invalidate("n")
    assert client.delta_and_get("n", 1) is None
    assert client.delta_initialize_and_get("n", 1, initial_value=10, initial_ttl=1000) == 10
    assert client.delta_initialize_and_get("n", 5, initial_value=10, initial_ttl=1000) == 15
    assert client.delta_and_get("n", -20) == 0
    assert client.delta("n", 3) is True
    client.delta("n", 1, no_reply=True)
    # A number that went down keeps its width, as memcached has it.
    assert client.get("n") == "4 "


@check
def objects_and_bytes():
    for value in ("text", b"", 7, True, {"a": [1, None, 2.5]}, b"\r\nEN\r\n", some_bytes(70_000)):
        assert client.set("object", value, ttl=1000) is True
        assert client.get("object") == value


@check
def expiry_and_touch():
    client.set("e:short", "x", ttl=2)
    client.set("e:touched", "x", ttl=1000)
    assert client.touch("e:touched", ttl=2) is True
    assert client.touch("e:none", ttl=2) is False
    client.set("e:saved", "x", ttl=2)
    assert client.get("e:saved", touch_ttl=1000) == "x"
    assert client.get("e:short") == "x"
    assert gone(lambda: client.get("e:short"), lambda: client.get("e:touched"))
    assert client.get("e:saved") == "x"


@check
def a_lease_is_won_by_one_of_fifty():
    client.invalidate("lease")
    policy = LeasePolicy(ttl=30, miss_retries=100, miss_retry_wait=0.02, miss_max_retry_wait=0.05)
    winners = []
    seen = []

    def work():
        value = client.get_or_lease("lease", lease_policy=policy)
        if value is None:
            winners.append(1)
            client.set("lease", "made once", ttl=1000)
        else:
            seen.append(value)

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1, winners
    assert seen == ["made once"] * 49, seen


@check
def stale_values_are_served_while_one_recaches():
    stale = StalePolicy(mark_stale_on_deletion_ttl=30)
    for n in range(20):
        key = f"stale:{n}"
        client.set(key, "old", ttl=1000)
        assert client.delete(key, stale_policy=stale) is True
        # The first to ask is told to make it anew, the others get the old value meanwhile.
        assert client.get(key) is None
        assert client.get(key) == "old"
        assert client.get(key) == "old"
        client.set(key, "new", ttl=1000)
        assert client.get(key) == "new"


@check
def one_recaches_before_the_end():
    client.set("recache", "old", ttl=20)
    policy = RecachePolicy(ttl=30)
    assert client.get("recache", recache_policy=policy) is None
    assert client.get("recache", recache_policy=policy) == "old"
    client.set("recache", "new", ttl=1000)
    assert client.get("recache", recache_policy=policy) == "new"


main()
