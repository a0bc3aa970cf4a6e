package link

import (
	"syscall"
	"time"
)

// sleepUntil waits in the kernel. Go's own timers may be a millisecond late where nothing else runs, which is more than
// the delay to be simulated.
func sleepUntil(due time.Time) {
	for {
		left := time.Until(due)
		if left <= 0 {
			return
		}
		pause := syscall.NsecToTimespec(left.Nanoseconds())
		if err := syscall.Nanosleep(&pause, nil); err != nil {
			continue // a signal came
		}
	}
}
