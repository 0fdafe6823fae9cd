"""redis-py on a Redis server and pymemcache on ketch before it, each reading what the other wrote.

    tests/.venv/bin/python tests/clients/with_redis_py.py KETCH_HOST:PORT REDIS_HOST:PORT
"""

import sys

import redis
from pymemcache.client.base import Client

from checks import check, main, some_bytes

ketch, server = (address.rsplit(":", 1) for address in sys.argv[1:3])
mem = Client((ketch[0], int(ketch[1])), default_noreply=False, timeout=20)
red = redis.Redis(host=server[0], port=int(server[1]))


@check
def plain_values_both_ways():
    for value in (b"", b"text", b"\r\n\0\xff", some_bytes(70_000)):
        assert mem.set("m", value) is True
        assert red.get("m") == value
        assert red.set("r", value) is True
        assert mem.get("r") == value
    assert mem.get_many(["m", "r", "none"]) == {"m": value, "r": value}
    assert red.mget("m", "r", "none") == [value, value, None]


@check
def counters_both_ways():
    mem.set("n", "10")
    assert red.incr("n") == 11
    assert mem.decr("n", 2) == 9
    assert red.decr("n") == 8
    assert mem.incr("n", 92) == 100
    assert int(red.get("n")) == 100


@check
def lives_both_ways():
    mem.set("e", "x", expire=100)
    assert 98 <= red.ttl("e") <= 100
    red.expire("e", 500)
    assert mem.raw_command("mg e t") in (b"HD t500", b"HD t499")
    red.persist("e")
    assert mem.raw_command("mg e t") == b"HD t-1"
    mem.touch("e", 300)
    assert 298 <= red.ttl("e") <= 300


@check
def a_write_of_redis_spoils_a_cas():
    mem.set("c", "1")
    _, token = mem.gets("c")
    red.set("c", "2")
    assert mem.cas("c", "3", token) is False
    _, token = mem.gets("c")
    assert mem.cas("c", "3", token) is True
    assert red.get("c") == b"3"


@check
def flags_stand_before_the_value():
    mem.set("f", "value", flags=0x01020304)
    assert red.get("f") == b"\0ketch:1\x01\x02\x03\x04value"
    red.set("g", b"\0ketch:1\0\0\0\x07seven")
    assert mem.raw_command("mg g v f") == b"VA 5 f7"
    mem.close()


@check
def deletes_both_ways():
    mem.set("d", "x")
    assert red.delete("d") == 1
    assert mem.get("d") is None
    red.set("d", "x")
    assert mem.delete("d") is True
    assert red.exists("d") == 0


main()
