// memcache-client, a Node client with pipelining, buffers and noreply, in the text protocol that it speaks.
'use strict';

const assert = require('node:assert/strict');
const { MemcacheClient } = require('memcache-client');
const { address, gone, largestValue, main, someBytes } = require('./checks');

const client = new MemcacheClient({ server: address(), lifetime: 0, cmdTimeout: 20000, noDelay: true });
const value = async (key) => (await client.get(key))?.value;
const many = Array.from({ length: 500 }, (_, n) => `many:${n}`);

main({
  async setGetDelete() {
    await client.cmd('flush_all');
    assert.equal(await client.get('a'), undefined);
    assert.deepEqual(await client.set('a', '1'), ['STORED']);
    assert.equal(await value('a'), '1');
    assert.deepEqual(await client.delete('a'), ['DELETED']);
    await assert.rejects(client.delete('a'), /NOT_FOUND/);
  },

  async fiveHundredKeysInTheOrderTheyWereAskedFor() {
    await Promise.all(many.map((key, n) => client.set(key, n)));
    const items = await client.get(many.flatMap((key) => [key, `none:${key}`]));
    assert.deepEqual(Object.keys(items), many);
    many.forEach((key, n) => assert.equal(items[key].value, n));
    const tokens = await client.gets(many);
    assert.ok(many.every((key) => tokens[key].casUniq > 0));
  },

  async fiveHundredCommandsInThePipe() {
    const values = await Promise.all(many.map((key) => value(key)));
    assert.deepEqual(values, many.map((_, n) => n));
  },

  async cas() {
    await client.set('cas', '1');
    const { casUniq } = await client.gets('cas');
    assert.deepEqual(await client.cas('cas', '2', { casUniq }), ['STORED']);
    await assert.rejects(client.cas('cas', '3', { casUniq }), /EXISTS/);
    await assert.rejects(client.cas('cas:none', '3', { casUniq }), /NOT_FOUND/);
    assert.equal(await value('cas'), '2');
  },

  async incrAndDecr() {
    await client.set('n', '10');
    assert.equal(await client.incr('n', 5), '15');
    assert.equal(await client.decr('n', 3), '12');
    assert.equal(await client.decr('n', 100), '0');
    await assert.rejects(client.incr('n:none', 1), /NOT_FOUND/);
    await client.set('n', 'text');
    await assert.rejects(client.incr('n', 1), /CLIENT_ERROR cannot increment or decrement non-numeric value/);
  },

  async addReplaceAppendPrepend() {
    await client.set('s', 'x');
    await client.delete('s');
    await assert.rejects(client.replace('s', 'x'), /NOT_STORED/);
    await assert.rejects(client.append('s', 'x'), /NOT_STORED/);
    await assert.rejects(client.prepend('s', 'x'), /NOT_STORED/);
    assert.deepEqual(await client.add('s', 'b'), ['STORED']);
    await assert.rejects(client.add('s', 'x'), /NOT_STORED/);
    await client.append('s', 'c');
    await client.prepend('s', 'a');
    assert.equal(await value('s'), 'abc');
  },

  async objectsAndBytes() {
    const buffers = [Buffer.alloc(0), Buffer.from('\r\nEND\r\n'), someBytes(70000)];
    for (const item of ['text', '', 7, { a: [1, null, 2.5] }, 'ünï', ...buffers]) {
      await client.set('object', item);
      assert.deepEqual(await value('object'), item);
    }
  },

  async theLargestValueAndOneAbove() {
    const key = 'large';
    const most = largestValue(key);
    await client.set(key, someBytes(most));
    assert.ok((await value(key)).equals(someBytes(most)));
    for (const size of [most + 1, (1 << 20) + 1]) {
      await assert.rejects(client.set(key, someBytes(size)), /SERVER_ERROR object too large for cache/);
      assert.equal(await client.get(key), undefined);
    }
  },

  async expiryAndTouch() {
    await client.set('e:negative', 'x', { lifetime: -1 });
    assert.equal(await client.get('e:negative'), undefined);
    await client.set('e:short', 'x', { lifetime: 2 });
    await client.set('e:absolute', 'x', { lifetime: Math.floor(Date.now() / 1000) + 3 });
    await client.set('e:touched', 'x');
    assert.deepEqual(await client.touch('e:touched', 2), ['TOUCHED']);
    await assert.rejects(client.touch('e:none', 2), /NOT_FOUND/);
    const keys = ['e:short', 'e:absolute', 'e:touched'];
    assert.deepEqual(Object.keys(await client.get(keys)), keys);
    assert.ok(await gone(keys.map((key) => () => value(key))));
  },

  async noreplyLeavesTheConnectionInStep() {
    await client.set('q', '10', { noreply: true });
    await client.incr('q', 5, { noreply: true });
    await client.append('q', '0', { noreply: true });
    await client.set('q:deleted', 'x', { noreply: true });
    await client.delete('q:deleted', { noreply: true });
    await client.delete('q:none', { noreply: true });
    await client.touch('q', 1000, { noreply: true });
    const items = await client.get(['q', 'q:deleted']);
    assert.deepEqual(Object.keys(items), ['q']);
    assert.equal(items.q.value, '150');
  },

  async statsVersionAndFlush() {
    const { STAT } = await client.cmd('stats');
    const names = STAT.map(([name]) => name);
    for (const name of ['pid', 'uptime', 'version', 'curr_connections', 'cmd_get']) assert.ok(names.includes(name), name);
    assert.match(String(await client.version()), /^VERSION,\d+\.\d+\.\d+/);
    await client.set('f', 'x');
    assert.deepEqual(await client.cmd('flush_all'), ['OK']);
    assert.equal(await client.get('f'), undefined);
  },
});
