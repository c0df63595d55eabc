// Runs the suites on libpromise's promises, and prints TAP: node run.js ADDON, in the folder where npm has installed.
'use strict';

const assert = require('assert');
const path = require('path');
const { createRequire } = require('module');
const addon = require(path.resolve(process.argv[2]));
const programs = require('./programs.js');
const tap = require('./tap.js');
const { checkLeftOut, readLeftOut } = require('./left-out.js');

const suite = createRequire(path.resolve('package.json')); // the suites are where we run, not where this file is
const Native = Promise;
const Ours = addon.init({
    microtask: queueMicrotask,
    immediate: setImmediate,
    spread: (iterable) => [...iterable],
});

const adapter = {
    deferred() {
        const deferred = {};
        deferred.promise = new Ours((resolve, reject) => Object.assign(deferred, { resolve, reject }));
        return deferred;
    },
    resolved: (value) => Ours.resolve(value),
    rejected: (reason) => Ours.reject(reason),
    defineGlobalPromise(global) {
        Object.assign(global, { Promise: Ours, assert });
    },
    removeGlobalPromise(global) {
        global.Promise = Native;
        delete global.assert;
    },
};

// The cases themselves wait for as long as they say; this is how long a busy machine may take in all.
const timeout = 10000;

function run(name, leftOut, how) {
    const reporter = tap.reporter(how ? `${name} ${how}` : name, leftOut);

    // A module is loaded once: for another run of a suite its files must be forgotten.
    for (const file of Object.keys(require.cache)) {
        if (file.includes(`/${name}/`)) delete require.cache[file];
    }
    return new Native((done) => suite(name)(adapter, { reporter, timeout }, () => done(reporter.seen)));
}

async function main() {
    const aplus = await run('promises-aplus-tests', new Map());
    tap.check('promises-aplus-tests: 872 cases, all of them', () => {
        assert.deepStrictEqual([aplus.ran.size, aplus.count, aplus.bodyless.size], [aplus.count, 872, 0]);
    });

    addon.switchCoroutines();
    const coroutines = await run('promises-aplus-tests', new Map(), 'in coroutines');
    tap.check('promises-aplus-tests in coroutines: 872 cases, all of them', () => {
        assert.deepStrictEqual([coroutines.count, [...coroutines.ran]], [872, [...aplus.ran]]);
    });
    addon.switchCoroutines();

    const leftOut = readLeftOut();
    const es6 = await run('promises-es6-tests', leftOut);
    tap.check('promises-es6-tests: left out is what left-out.txt says', () => checkLeftOut(leftOut, es6));

    await programs(Ours, Native);

    const left = addon.close();
    tap.check('nothing is alive in the library, and no value is held', () => {
        assert.deepStrictEqual(left, { blocks: 0, values: 0 });
    });
    tap.end();
}

main();
