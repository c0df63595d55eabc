// What is left out of promises-es6-tests: left-out.txt has reasons, and below each the cases, indented.
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');

const BODYLESS = 'Only a name: the suite has no test for it';

// The reason of each case, by its name.
function readLeftOut() {
    const cases = new Map();
    let reason;

    for (const line of fs.readFileSync(path.join(__dirname, 'left-out.txt'), 'utf8').split('\n')) {
        const name = line.trim();
        if (!name || name.startsWith('#')) continue;
        if (line === name) reason = name;
        else cases.set(name, reason);
    }
    return cases;
}

// Exact both ways: each case that is left out exists and fails (or has no body), and none else has no body.
function checkLeftOut(cases, seen) {
    const listed = (bodyless) => [...cases].filter(([, why]) => (why === BODYLESS) === bodyless).map(([name]) => name);

    assert.deepStrictEqual(listed(true).sort(), [...seen.bodyless].sort(), 'the cases without a body');
    for (const name of listed(false)) {
        assert(seen.ran.has(name), `there is no case "${name}"`);
        assert(seen.failed.has(name), `it would pass: "${name}"`);
    }
}

module.exports = { checkLeftOut, readLeftOut };
