// What samples/go-heap.pb.gz was made by: go run -trimpath heap.go go-heap.pb.gz
package main

import (
	"log"
	"os"
	"runtime"
	"runtime/pprof"
)

var kept [][]byte

func makeOne(size int) []byte {
	return make([]byte, size)
}

func keepMany() {
	for i := 0; i < 30000; i++ {
		kept = append(kept, makeOne(1024))
	}
}

//go:noinline
func keepFew() {
	for i := 0; i < 100; i++ {
		kept = append(kept, make([]byte, 65536))
	}
}

//go:noinline
func waste() int {
	n := 0
	for i := 0; i < 1000; i++ {
		n += len(makeOne(65536))
	}
	return n
}

func main() {
	keepMany()
	keepFew()
	waste()
	runtime.GC()
	out, err := os.Create(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := pprof.WriteHeapProfile(out); err != nil {
		log.Fatal(err)
	}
	if err := out.Close(); err != nil {
		log.Fatal(err)
	}
	runtime.KeepAlive(kept)
}
