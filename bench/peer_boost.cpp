// boost.context and boost.fiber, for bench/peer.c: peer_boost WORKLOAD prints the nanoseconds of a step, the median of 21.
#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <boost/fiber/all.hpp>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

namespace ctx = boost::context;
namespace fibers = boost::fibers;

static double now() {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

static const size_t STEPS = 100000;

// One step is one switch.
static void context_switch() {
    size_t left = STEPS / 2;
    ctx::fiber f([](ctx::fiber &&back) {
        for (;;) back = std::move(back).resume();
        return std::move(back);
    });
    while (left--) f = std::move(f).resume();
}

// Two fibers that yield to each other, through the scheduler.
static void fiber_switch() {
    auto run = [] {
        for (size_t i = 0; i < STEPS / 2; i++) boost::this_fiber::yield();
    };
    fibers::fiber a(run), b(run);
    a.join();
    b.join();
}

static void fiber_spawn() {
    static fibers::pooled_fixedsize_stack stacks(256 * 1024);
    for (size_t i = 0; i < STEPS; i++) fibers::fiber(std::allocator_arg, stacks, [] {}).join();
}

static void fiber_await() {
    for (size_t i = 0; i < STEPS; i++) {
        fibers::promise<int> p;
        fibers::future<int> f = p.get_future();
        p.set_value(1);
        if (f.get() != 1) return;
    }
}

static void fiber_later() {
    fibers::promise<int> p;
    size_t left = STEPS;
    bool waits = false;
    fibers::fiber other([&] {
        while (left) {
            if (waits) {
                waits = false;
                p.set_value(1);
            }
            boost::this_fiber::yield();
        }
    });
    for (; left; left--) {
        p = fibers::promise<int>();
        fibers::future<int> f = p.get_future();
        waits = true;
        f.get();
    }
    other.join();
}

static const struct {
    const char *name;
    void (*run)();
} workloads[] = {{"context-switch", context_switch}, {"fiber-switch", fiber_switch}, {"fiber-spawn", fiber_spawn},
                 {"fiber-await", fiber_await},       {"fiber-later", fiber_later}};

int main(int argc, char **argv) {
    for (auto &w : workloads) {
        if (argc != 2 || std::strcmp(argv[1], w.name)) continue;
        std::vector<double> ns;
        for (int i = 0; i < 21; i++) {
            double start = now();
            w.run();
            ns.push_back((now() - start) / static_cast<double>(STEPS));
        }
        std::sort(ns.begin(), ns.end());
        std::printf("%f\n", ns[ns.size() / 2]);
        return 0;
    }
    return 1;
}
