// One TAP stream out of all that runs.
'use strict';

let count = 0;
let failed = 0;

function line(ok, name, error) {
    count++;
    failed += !ok;
    console.log(`${ok ? 'ok' : 'not ok'} ${count} - ${name.replace(/#/g, '').replace(/\s+/g, ' ')}`);
    if (!ok) console.log(String((error && error.stack) || error).replace(/^/gm, '# '));
}

function check(name, test) {
    try {
        test();
        line(true, name);
    } catch (error) {
        line(false, name, error);
    }
}

// A reporter for mocha. What it has seen: how many cases it counted, the names of those that ran, of those that failed,
// and of those that are only a name. A case that is left out should fail; it gives no line.
function reporter(suite, leftOut) {
    const seen = { count: 0, ran: new Set(), failed: new Set(), bodyless: new Set() };

    function Reporter(runner) {
        runner.on('pending', (test) => seen.bodyless.add(test.fullTitle()));
        runner.on('pass', (test) => result(test, true));
        runner.on('fail', (test, error) => result(test, false, error));
    }

    function result(test, ok, error) {
        const name = test.fullTitle();
        seen.count++;
        seen.ran.add(name);
        if (!ok) seen.failed.add(name);
        if (!leftOut.has(name)) line(ok, `${suite}: ${name}`, error);
    }

    Reporter.seen = seen;
    return Reporter;
}

function end() {
    console.log(`1..${count}`);
    process.exitCode = failed ? 1 : 0;
}

module.exports = { check, end, reporter };
