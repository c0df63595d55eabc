// Random programs, run with Node's own promises and with ours. Without adoption, the order in which handlers run is the
// same. With it, ECMAScript takes more turns (docs/conformance.md), but what each promise comes to is still the same.
'use strict';

const assert = require('assert');
const tap = require('./tap.js');

const PROGRAMS = 48;
const SOURCES = 4;
const LINKS = 16;

const times = (length, f) => Array.from({ length }, (_, i) => f(i));

// Mulberry32: numbers that are the same everywhere.
function randomly(seed) {
    return (below) => {
        seed = (seed + 0x6d2b79f5) | 0;
        let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) % below;
    };
}

// ---- a program is written down before it runs: nothing in it depends on whose promises it gets ----

function write(seed, adoption) {
    const random = randomly(seed);
    const pick = (...choices) => choices[random(choices.length)];
    const handler = (index) => ({
        end: adoption
            ? pick('return', 'throw', 'promise', 'thenable', 'twice', 'late throw', 'new')
            : pick('return', 'return', 'throw', 'settle', 'listen'),
        other: random(index), // an earlier one, so that nothing waits for itself
        source: random(SOURCES),
    });
    const others = adoption ? ['finally', 'settled', 'all', 'any'] : ['race', 'race'];
    const link = (index) => ({
        kind: pick('then', 'then', 'catch', 'both', 'both', 'neither', ...others),
        on: random(index),
        with: random(index),
        handlers: [handler(index), handler(index)],
    });
    return {
        sources: times(SOURCES, () => ({ how: pick('resolve', 'reject'), slow: adoption && !random(3) })),
        links: times(LINKS, (i) => link(SOURCES + i)),
    };
}

// ---- running it: the log is what happened, in order ----

const turn = () => new Promise((done) => setImmediate(done));

class Run {
    constructor(P, program) {
        this.P = P;
        this.program = program;
        this.log = [];
        this.sources = program.sources.map(() => {
            const source = {};
            source.promise = new P((resolve, reject) => Object.assign(source, { resolve, reject }));
            return source;
        });
        this.promises = this.sources.map((source) => source.promise);
    }

    async all() {
        this.program.links.forEach((link, i) => this.promises.push(this.link(link, `${SOURCES + i}`)));
        this.program.sources.forEach(({ how, slow }, i) => slow || this.sources[i][how](`source ${i}`));
        await turn();
        for (let i = 0; i < SOURCES; i++) if (this.program.sources[i].slow) await this.settleSlowly(i);
        return this.log;
    }

    // With a thenable that is called, and answers only after somebody else has tried in vain.
    async settleSlowly(i) {
        const source = this.sources[i];
        let answer;

        source.resolve({ then: (resolve, reject) => (answer = { resolve, reject }) });
        await turn();
        source.reject('too late');
        await turn();
        answer[this.program.sources[i].how](`source ${i}`);
        await turn();
    }

    link(link, name) {
        const promise = this.promises[link.on];
        const [fulfilled, rejected] = link.handlers.map((handler, i) => this.handler(handler, `${name}${'+-'[i]}`));

        switch (link.kind) {
            case 'then': return promise.then(fulfilled);
            case 'catch': return promise.catch(rejected);
            case 'both': return promise.then(fulfilled, rejected);
            case 'neither': return promise.then(null, 3);
            case 'finally': return promise.finally(() => fulfilled('nothing'));
            default: return this.combine(link.kind, [promise, this.promises[link.with]]);
        }
    }

    // Where it depends on the order which one counts, that is not compared.
    combine(kind, promises) {
        const { P } = this;

        switch (kind) {
            case 'race': return P.race(promises);
            case 'settled': return P.allSettled(promises).then(JSON.stringify);
            case 'all': return P.all(promises).then(JSON.stringify, () => 'not all');
            default: return P.any(promises).then(() => 'any', (error) => `${error.name} ${error.errors}`);
        }
    }

    handler({ end, other, source }, name) {
        const { P, promises, sources } = this;
        const ends = {
            return: () => name,
            throw: () => this.fail(name),
            settle: () => sources[source].resolve(name),
            listen: () => void promises[other].then((v) => this.log.push(`${name} hears ${v}`), () => {}),
            promise: () => promises[other],
            thenable: () => ({ then: (resolve, reject) => void promises[other].then(resolve, reject) }),
            twice: () => ({ then: (resolve, reject) => (resolve({ then: (again) => again(name) }), reject('second')) }),
            'late throw': () => ({ then: (resolve) => (resolve(promises[other]), this.fail('after'))}),
            new: () => new P((resolve) => (resolve(promises[other]), this.fail('after'))),
        };
        return (v) => {
            this.log.push(`${name} gets ${v}`);
            return ends[end]();
        };
    }

    fail(reason) {
        throw reason;
    }

    async outcomes() {
        const log = this.promises.map(() => 'pending');
        this.promises.forEach((p, i) => p.then((v) => (log[i] = `fulfilled ${v}`), (v) => (log[i] = `rejected ${v}`)));
        await turn();
        return log;
    }
}

async function compare(name, program, Ours, Native) {
    const [ours, native] = [new Run(Ours, program), new Run(Native, program)];
    const logs = { ours: await ours.all(), native: await native.all() };
    const outcomes = { ours: await ours.outcomes(), native: await native.outcomes() };

    tap.check(name, () => {
        assert.deepStrictEqual(outcomes.ours, outcomes.native);
        if (!program.adoption) assert.deepStrictEqual(logs.ours, logs.native);
        else assert.deepStrictEqual(logs.ours.sort(), logs.native.sort());
    });
}

module.exports = async (Ours, Native) => {
    const unhandled = () => {}; // Node's default would end the process: these programs leave rejections alone

    process.on('unhandledRejection', unhandled).on('rejectionHandled', unhandled);
    for (let seed = 1; seed <= PROGRAMS; seed++) {
        for (const adoption of [false, true]) {
            const program = { ...write(seed, adoption), adoption };
            const what = adoption ? 'outcomes, with adoption,' : 'order';
            await compare(`program ${seed}: ${what} as in Node`, program, Ours, Native);
        }
    }
};
