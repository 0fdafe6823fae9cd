// What the Node scripts share: they ask a real client for ordinary things and say which of them failed.
//
// A script needs only an address (`node tests/clients/with_memcached.js 127.0.0.1:11211`), so that the same
// one is run against a bare memcached, which is the oracle, and against ketch. It flushes that cache.
'use strict';

/** The `host:port` that the script was given. */
exports.address = () => {
  const [, script, address, ...rest] = process.argv;
  if (!/:\d+$/.test(address || '') || rest.length) {
    console.error(`usage: ${script} HOST:PORT`);
    process.exit(2);
  }
  return address;
};

/** So many bytes, every one of the 256 among them, line ends too. */
exports.someBytes = (count) => Buffer.from({ length: count }, (_, n) => n % 256);

/** How many bytes the value of a key may have at most under memcached's -I 1m when its flags are not 0. */
exports.largestValue = (key) => (1 << 20) - (48 + 8 + 4 + 1 + 2) - key.length;

/** Waits until every one of the reads finds nothing; false when that takes longer than so many seconds. */
exports.gone = async (reads, seconds = 6) => {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await Promise.all(reads.map((read) => read()));
    if (found.every((value) => value === undefined || value === null)) return true;
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

/** Runs the checks of an object in their order and exits with 1 if any of them failed. */
exports.main = async (checks) => {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}\n${error.stack || error}`);
    }
  }
  console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
};
