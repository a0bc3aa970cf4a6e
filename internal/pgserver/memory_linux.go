package pgserver

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

const (
	sharedMemory = "/dev/shm"
	tmpfsMagic   = 0x01021994 // statfs(2)
	// plenty is more than the tests of a large project fill.
	plenty = 8 << 30
)

// memoryDir is a folder in memory with room for many databases, or "". Making and dropping a database takes half the
// time there: it is hundreds of files.
func memoryDir() string {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(sharedMemory, &stat); err != nil || stat.Type != tmpfsMagic {
		return ""
	}
	//nolint:gosec // the size of a block is positive
	if stat.Bavail*uint64(stat.Bsize) < plenty || availableMemory() < plenty {
		return ""
	}
	return sharedMemory
}

// availableMemory is what the system could give away, in bytes, and 0 where it does not say.
func availableMemory() (bytes int64) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }() // it was read
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			var kilobytes int64
			if _, err := fmt.Sscanf(rest, "%d kB", &kilobytes); err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}
