// memcached, the Node client that is used most, in the text protocol that it speaks.
'use strict';

const assert = require('node:assert/strict');
const { promisify } = require('node:util');
const Memcached = require('memcached');
const { address, gone, largestValue, main } = require('./checks');

const raw = new Memcached(address(), { poolSize: 4, retries: 0, timeout: 20000 });
const client = Object.fromEntries(
  'get gets getMulti set add replace append prepend cas del incr decr touch flush stats settings version'
    .split(' ')
    .map((name) => [name, promisify(raw[name]).bind(raw)]),
);

/** What the promise of a refused command says. */
const refusal = (promise) =>
  promise.then(
    (result) => assert.fail(`not refused but ${result}`),
    (error) => String(error),
  );

const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`many:${n}`, `value ${n}`]));

main({
  async setGetDelete() {
    await client.flush();
    assert.equal(await client.get('a'), undefined);
    assert.equal(await client.set('a', '1', 0), true);
    assert.equal(await client.get('a'), '1');
    assert.equal(await client.del('a'), true);
    assert.equal(await client.del('a'), false);
  },

  async fiveHundredKeys() {
    const stored = await Promise.all(Object.entries(many).map(([key, value]) => client.set(key, value, 0)));
    assert.ok(stored.every((answer) => answer === true));
    assert.deepEqual(await client.getMulti(Object.keys(many)), many);
    const withHoles = Object.keys(many).flatMap((key) => [key, `none:${key}`]);
    assert.deepEqual(await client.getMulti(withHoles), many);
  },

  async cas() {
    await client.set('c', '1', 0);
    const { c, cas } = await client.gets('c');
    assert.equal(c, '1');
    assert.equal(await client.cas('c', '2', cas, 0), true);
    assert.equal(await client.cas('c', '3', cas, 0), false);
    assert.equal(await client.get('c'), '2');
  },

  async incrAndDecr() {
    await client.set('n', 10, 0);
    assert.equal(await client.incr('n', 5), 15);
    assert.equal(await client.decr('n', 3), 12);
    assert.equal(await client.decr('n', 100), 0);
    assert.equal(await client.incr('n:none', 1), false);
  },

  async addReplaceAppendPrepend() {
    await client.del('s');
    await refusal(client.replace('s', 'x', 0));
    await refusal(client.append('s', 'x'));
    assert.equal(await client.add('s', 'b', 0), true);
    await refusal(client.add('s', 'x', 0));
    assert.equal(await client.append('s', 'c'), true);
    assert.equal(await client.prepend('s', 'a'), true);
    assert.equal(await client.get('s'), 'abc');
  },

  async objectsAndText() {
    for (const value of ['text', 7, true, { a: [1, null, 2.5] }, '', 'ünï', 'END', 'x'.repeat(70000)]) {
      await client.set('object', value, 0);
      assert.deepEqual(await client.get('object'), value);
    }
  },

  async theLargestValue() {
    const key = 'large';
    // Text goes with no flags, which saves four bytes. One above is for the other scripts: this client
    // takes any SERVER_ERROR as a reason to leave the server alone for half a minute.
    const most = largestValue(key) + 4;
    assert.equal(await client.set(key, 'x'.repeat(most), 0), true);
    assert.equal((await client.get(key)).length, most);
  },

  async expiryAndTouch() {
    await client.set('e:short', 'x', 2);
    await client.set('e:absolute', 'x', Math.floor(Date.now() / 1000) + 3);
    await client.set('e:touched', 'x', 0);
    assert.equal(await client.touch('e:touched', 2), true);
    assert.equal(await client.touch('e:none', 2), false);
    const keys = ['e:short', 'e:absolute', 'e:touched'];
    assert.deepEqual(Object.keys(await client.getMulti(keys)), keys);
    assert.ok(await gone(keys.map((key) => () => client.get(key))));
  },

  async statsVersionAndFlush() {
    const [stats] = await client.stats();
    for (const name of ['pid', 'uptime', 'version', 'curr_connections', 'cmd_get']) assert.ok(name in stats, name);
    await client.settings();
    const [version] = await client.version();
    assert.match(version.version, /^\d+\.\d+\.\d+$/);
    await client.set('f', 'x', 0);
    await client.flush();
    assert.equal(await client.get('f'), undefined);
  },
});
