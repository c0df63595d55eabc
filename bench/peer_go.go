// Go, on one thread, for bench/peer.c: peer_go WORKLOAD prints the nanoseconds of a step, the median of 21, or bytes.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"syscall"
)

const steps = 100000

func now() float64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Sec+r.Stime.Sec)*1e9 + float64(r.Utime.Usec+r.Stime.Usec)*1e3
}

// Two that give way to each other.
func gosched() {
	var both sync.WaitGroup
	both.Add(2)
	for i := 0; i < 2; i++ {
		go func() {
			for k := 0; k < steps/2; k++ {
				runtime.Gosched()
			}
			both.Done()
		}()
	}
	both.Wait()
}

func spawn() {
	done := make(chan struct{})
	for i := 0; i < steps; i++ {
		go func() { done <- struct{}{} }()
		<-done
	}
}

// What is there already: from a channel with room for it.
func await() {
	c := make(chan int, 1)
	for i := 0; i < steps; i++ {
		c <- 1
		<-c
	}
}

// What comes later: from another one, for which it waits.
func later() {
	ask, answer := make(chan struct{}), make(chan int)
	go func() {
		for range ask {
			answer <- 1
		}
	}()
	for i := 0; i < steps; i++ {
		ask <- struct{}{}
		<-answer
	}
	close(ask)
}

// A message from one to another.
func channel(room int) {
	c := make(chan int, room)
	go func() {
		for i := 0; i < steps; i++ {
			c <- i
		}
		close(c)
	}()
	for range c {
	}
}

func resident() float64 {
	var mapped, pages float64
	text, _ := os.ReadFile("/proc/self/statm")
	fmt.Fscan(strings.NewReader(string(text)), &mapped, &pages)
	return pages * float64(os.Getpagesize())
}

func rest() {
	end := make(chan struct{})
	var started sync.WaitGroup
	before := resident()
	started.Add(steps)
	for i := 0; i < steps; i++ {
		go func() { started.Done(); <-end }()
	}
	started.Wait()
	runtime.Gosched()
	fmt.Println((resident() - before) / steps)
	close(end)
}

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) == 2 && os.Args[1] == "rest" {
		rest()
		return
	}
	run, known := map[string]func(){"switch": gosched, "spawn": spawn, "await": await, "later": later,
		"channel": func() { channel(0) }, "channel-100": func() { channel(100) }}[os.Args[len(os.Args)-1]]
	if !known {
		os.Exit(1)
	}
	var ns []float64
	for i := 0; i < 21; i++ {
		start := now()
		run()
		ns = append(ns, (now()-start)/steps)
	}
	sort.Float64s(ns)
	fmt.Println(ns[len(ns)/2])
}
