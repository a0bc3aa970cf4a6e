package passphrase

import "cmp"

// Parameters say how much time and memory a guess costs. Whatever they are, they are written into the file.
type Parameters struct {
	// Passes over the memory, from 1 to 16. Defaults to 3.
	Passes uint32
	// MemoryKiB is the memory, in KiB, from 19 MiB to 1 GiB. Defaults to 65536, 64 MiB: the second recommended option
	// of RFC 9106, 4.
	MemoryKiB uint32
	// Threads is how many are used, from 1 to 16. Defaults to 4.
	Threads uint8
}

// Bounds. Those from above keep a file that somebody has changed from taking a program's memory.
const (
	minMemory  = 19 << 10
	maxMemory  = 1 << 20
	maxPasses  = 16
	maxThreads = 16
)

func (p Parameters) withDefaults() Parameters {
	return Parameters{
		Passes: cmp.Or(p.Passes, 3), MemoryKiB: cmp.Or(p.MemoryKiB, 64<<10), Threads: cmp.Or(p.Threads, 4),
	}
}

func (p Parameters) valid() bool {
	return p.Passes >= 1 && p.Passes <= maxPasses && p.Threads >= 1 && p.Threads <= maxThreads &&
		p.MemoryKiB >= minMemory && p.MemoryKiB <= maxMemory
}
